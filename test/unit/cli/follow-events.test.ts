/** What `cluster watch` says of a connection that breaks and comes back. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runInProcess } from "../../support/cli-world.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "caxton-follow-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const refused = (): Response => {
  throw new TypeError("connection refused");
};
const broken = (): Response => {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.error(new Error("connection reset")),
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
};
const unauthenticated = (): Response =>
  Response.json({ code: "unauthenticated", detail: "The token has expired" }, { status: 401 });

test("a node that is away is told of once, and that it is back", async () => {
  const answers = [broken, refused, refused, broken, unauthenticated];
  const send = (): Promise<Response> => Promise.resolve().then(answers.shift() ?? unauthenticated);
  const { exit, stderr } = await runInProcess(["cluster", "watch", "--token", "t"], { HOME: home }, send);
  const lines = stderr.trimEnd().split("\n");
  expect(lines).toEqual([
    "[WARN] The event stream broke; trying again",
    expect.stringMatching(/^\[WARN\] Cannot reach .*; trying again$/),
    "[INFO] Following again",
    "[WARN] The event stream broke; trying again",
    "error: The token has expired",
  ]);
  expect([exit, answers]).toEqual([4, []]);
});
