/** Commands that go on for ever end when nobody reads them any more, though they have nothing to print. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AgentName } from "../../../src/base/ids.ts";
import { startHttpServer, type HttpServer } from "../../../src/platform/bun/http-server.ts";
import { systemClock } from "../../../src/platform/node/clock.ts";
import { apiWorldAt } from "../../support/api-world.ts";
import { until } from "../../support/until.ts";

const main = join(import.meta.dirname, "../../../src/cli/main.ts");
let server: HttpServer;
let token: string;
let following: () => number;

beforeAll(async () => {
  const { app, admin, call, services } = await apiWorldAt(systemClock);
  const headers = { "content-type": "application/wasm" };
  await call("POST", "/api/v1/agents?name=echo", { body: new Uint8Array([0, 97, 115, 109]), headers });
  services.held.get("echo" as AgentName)?.logs.push({ at_ms: 0, level: "info", text: "begins" });
  token = admin;
  following = () => services.followers;
  server = startHttpServer({
    address: { host: "127.0.0.1", port: 0 },
    tls: undefined,
    fetch: (request) => app.fetch(request),
  });
});
afterAll(() => server.stop(0));

function watch(...words: readonly string[]): ChildProcess {
  const args = [main, ...words, "--api", server.url, "--token", token];
  return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
}

test.each([
  ["cluster", "watch"],
  ["message", "watch"],
  ["agent", "logs", "echo", "--follow"],
])("%s %s", async (...words) => {
  const before = following();
  const child = watch(...words);
  const ended = once(child, "exit");
  if (words[0] === "agent") await once(child.stdout as NonNullable<typeof child.stdout>, "data");
  else await until(() => following() > before);
  expect(child.exitCode).toBeNull();
  child.stdout?.destroy();
  const [code, signal] = (await ended) as [number | null, string | null];
  expect([code, signal]).toEqual([0, null]);
});
