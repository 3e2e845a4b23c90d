/** Tokens that an administrator issues: what their role may, for as long as they were asked for. */
import { describe, expect, it } from "vitest";
import { apiWorld } from "../../support/api-world.ts";

interface Answer {
  readonly token: string;
  readonly id: string;
  readonly subject: string;
  readonly expires_at: string;
}

type World = Awaited<ReturnType<typeof apiWorld>>;

async function issued({ call }: World, json: object): Promise<Answer> {
  const answer = await call("POST", "/api/v1/tokens", { json });
  expect(answer.status).toBe(201);
  expect(answer.headers.get("cache-control")).toBe("no-store");
  return (await answer.json()) as Answer;
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe("POST /api/v1/tokens", () => {
  it("issues a token that may do what its role may, and nothing more", async () => {
    const world = await apiWorld();
    const cases: readonly (readonly [string, string, readonly string[]])[] = [
      ["GET", "/api/v1/cluster/members", ["operator", "developer", "viewer"]],
      ["GET", "/api/v1/messages", ["operator", "developer"]],
      ["POST", "/api/cluster/balance?strategy=random", ["operator"]],
      ["DELETE", "/api/v1/agents/nobody", ["developer"]],
      ["POST", "/api/v1/security/rotate-gossip-key", []],
      ["POST", "/api/v1/tokens", []],
    ];
    for (const role of ["operator", "developer", "viewer"] as const) {
      const { token, subject } = await issued(world, { role });
      expect(subject).toMatch(new RegExp(`^${role}-[0-9a-f]{8}$`));
      for (const [method, path, allowed] of cases) {
        const answer = await world.call(method, path, bearer(token));
        expect(answer.status, `${role} ${method} ${path}`).not.toBe(401);
        expect(answer.status === 403, `${role} ${method} ${path}`).toBe(!allowed.includes(role));
      }
    }
  });

  it("has it end when it was said to, a day after unless asked otherwise", async () => {
    const world = await apiWorld();
    const begun_ms = world.clock.wall_ms();
    const day = await issued(world, { role: "viewer" });
    expect(Date.parse(day.expires_at)).toBe(begun_ms + 24 * 3_600_000);
    const short = await issued(world, { role: "viewer", subject: "alice", expires_in: "10m" });
    expect(short).toMatchObject({ subject: "alice", role: "viewer" });
    const status = async () =>
      (await world.call("GET", "/api/v1/cluster/members", bearer(short.token))).status;
    expect(await status()).toBe(200);
    world.clock.advance(10 * 60_000 + 6_000);
    expect(await status()).toBe(401);
  });

  it("is only for who manages security, and refuses what is no role, name or lifetime", async () => {
    const world = await apiWorld();
    for (const role of ["operator", "developer", "viewer"] as const) {
      const { headers } = bearer(await world.token(role));
      const answer = await world.call("POST", "/api/v1/tokens", { json: { role: "viewer" }, headers });
      expect(answer.status, role).toBe(403);
    }
    for (const json of [
      {},
      { role: "root" },
      { role: "viewer", subject: "no name" },
      { role: "viewer", expires_in: "31d" },
      { role: "viewer", expires_in: "1s" },
      { role: "viewer", roles: ["admin"] },
    ]) {
      const answer = await world.call("POST", "/api/v1/tokens", { json });
      expect(answer.status, JSON.stringify(json)).toBe(422);
    }
    expect(world.told).toEqual([]);
  });

  it("does not let an administrator's token outlive itself", async () => {
    const world = await apiWorld();
    const longer = await world.call("POST", "/api/v1/tokens", {
      json: { role: "admin", expires_in: "2h" },
    });
    expect(longer.status).toBe(400);
    expect(await longer.json()).toMatchObject({
      detail: "A token of the role admin ends no later than the one it is asked with: ask for at most 1h",
    });
    const { token } = await issued(world, { role: "admin", expires_in: "30m" });
    const again = await world.call("POST", "/api/v1/tokens", {
      json: { role: "admin", expires_in: "1h" },
      ...bearer(token),
    });
    expect(again.status).toBe(400);
  });

  it("is told by its id, and never by itself", async () => {
    const world = await apiWorld();
    const { token, id, expires_at } = await issued(world, { role: "developer", subject: "bob" });
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(world.told).toEqual([
      `admin-user issued a token of the role developer to bob, until ${expires_at}`,
    ]);
    expect(JSON.stringify(world.told)).not.toContain(token);
  });
});
