import { describe, expect, it } from "vitest";
import { createClient } from "../../../src/client/client.ts";
import { encodeUtf8 } from "../../../src/wire/cursor.ts";
import { apiWorld } from "../../support/api-world.ts";

async function world() {
  const { app, admin, services } = await apiWorld();
  const fetch = async (url: string, init: RequestInit): Promise<Response> =>
    await app.fetch(new Request(url, init));
  const client = createClient({ url: "http://node", token: admin, requestTimeout_ms: 5_000, fetch });
  return { client, services };
}

const value = (text: string) => ({ bytes: encodeUtf8(text), type: "text/plain" });

describe("the client", () => {
  it("writes, reads, lists and deletes keys under conditions", async () => {
    const { client } = await world();
    const first = await client.kv.put("config/a b?", value("1"), { ifVersion: "absent" });
    expect(await client.kv.get("config/a b?")).toMatchObject({ key: "config/a b?", value: "1" });
    await expect(client.kv.put("config/a b?", value("2"), { ifVersion: "absent" })).rejects.toMatchObject({
      code: "precondition_failed",
    });
    const second = await client.kv.put("config/a b?", value("2"), { ifVersion: first.version });
    expect((await client.kv.list("config/")).entries.map(({ version }) => version)).toEqual([second.version]);
    await client.kv.delete("config/a b?", { ifVersion: second.version, idempotencyKey: "k" });
    await client.kv.delete("config/a b?", { ifVersion: second.version, idempotencyKey: "k" });
    await expect(client.kv.get("config/a b?", "local")).rejects.toMatchObject({ code: "not_found" });
  });

  it("reaches keys that read as places in a path, and refuses those that no URL can name", async () => {
    const { client } = await world();
    for (const key of ["a/../b", "./a", "a/.", "a//b", "/a", "a/", "..."]) {
      await client.kv.put(key, value(key));
      expect(await client.kv.get(key)).toMatchObject({ key, value: key });
    }
    expect((await client.kv.list("")).entries).toHaveLength(7);
    for (const key of [".", ".."]) {
      expect(() => client.kv.delete(key)).toThrow("a URL takes it for a place");
      expect(() => client.locks.get(key)).toThrow("a URL takes it for a place");
    }
  });

  it("holds locks and writes under their tokens", async () => {
    const { client, services } = await world();
    const lock = await client.locks.acquire("job", { ttl: "5s", holder: "me" });
    const fence = { lock: "job", token: lock.token };
    await client.kv.put("result", value("1"), { fence });
    expect(await client.locks.get("job")).toMatchObject({ held: true, holder: "me" });
    services.control.elapsed_ms += 5_000;
    await expect(client.kv.put("result", value("2"), { fence })).rejects.toMatchObject({
      code: "precondition_failed",
    });
    const again = await client.locks.acquire("job");
    await client.locks.release("job", again.token);
    expect(await client.locks.get("job")).toEqual({ name: "job", held: false });
  });
});
