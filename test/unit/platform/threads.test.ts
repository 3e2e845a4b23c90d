import { afterEach, expect, test } from "vitest";
import { createChannel, openPort, spawnThread } from "../../../src/platform/node/threads.ts";
import type { Thread } from "../../../src/ports/threads.ts";
import type { ToEcho } from "../../support/echo-thread.ts";
import { until } from "../../support/until.ts";

const threads: Thread<unknown, ToEcho>[] = [];
afterEach(async () => {
  for (const thread of threads.splice(0)) await thread.terminate();
});

function spawn(file = "../../support/echo-thread.ts") {
  const thread = spawnThread<unknown, ToEcho>(new URL(file, import.meta.url), { name: "echo" });
  threads.push(thread);
  const ends: (string | undefined)[] = [];
  thread.ended((error) => ends.push(error?.message));
  return { thread, ends };
}

test("messages go both ways in order, those sent before anybody receives included", async () => {
  const { thread } = spawn();
  for (let i = 0; i < 100; i++) thread.post({ kind: "echo", value: i });
  const received: unknown[] = [];
  thread.receive((message) => received.push(message));
  await until(() => received.length === 101);
  expect(received).toEqual(["ready", ...Array.from({ length: 100 }, (_, i) => i)]);
});

test("messages before the receiver is set are kept", async () => {
  const { thread } = spawn();
  const first: unknown[] = [];
  const [near, far] = createChannel();
  const channel = openPort<string, string>(near);
  channel.receive((text) => first.push(text));
  thread.post({ kind: "echo", value: "early" });
  thread.post({ kind: "port", port: far }, [far]);
  channel.post("after the echo");
  // The answer through the port proves that the echo has been posted before it.
  await until(() => first.length === 1);
  const received: unknown[] = [];
  thread.receive((message) => received.push(message));
  await until(() => received.length === 2);
  expect(received).toEqual(["ready", "early"]);
  channel.close();
});

test("two threads talk over a channel of their own", async () => {
  const [a, b] = [spawn(), spawn()];
  const [near, far] = createChannel();
  a.thread.post({ kind: "port", port: far }, [far]);
  const channel = openPort<string, string>(near);
  const received: string[] = [];
  channel.receive((text) => received.push(text));
  channel.post("over the port");
  await until(() => received.length === 1);
  expect(received).toEqual(["over the port!"]);
  channel.close();
  expect(b.ends).toEqual([]);
});

test("transferred buffers move without a copy", async () => {
  const { thread } = spawn();
  const received: unknown[] = [];
  thread.receive((message) => received.push(message));
  const value = new Uint8Array([1, 2, 3]);
  thread.post({ kind: "echo", value }, [value.buffer]);
  expect(value.byteLength).toBe(0);
  await until(() => received.length === 2);
  expect(received[1]).toEqual(new Uint8Array([1, 2, 3]));
});

test.each([
  ["throw", "thrown in the thread"],
  ["reject", "rejected in the thread"],
  ["exit", 'Thread "echo" ended with exit code 3'],
  ["finish", undefined],
] as const)("a thread that ends by %s is told once, with why", async (kind, message) => {
  const { thread, ends } = spawn();
  thread.post({ kind });
  await until(() => ends.length > 0);
  await thread.terminate();
  if (message === undefined) expect(ends).toEqual([undefined]);
  else expect(ends).toEqual([expect.stringContaining(message)]);
});

test("a thread whose module is missing ends with that error", async () => {
  const { ends } = spawn("../../support/no-such-thread.ts");
  await until(() => ends.length > 0);
  expect(ends[0]).toContain("no-such-thread.ts");
});

test("a terminated thread has ended without an error, and its end is told to a late listener", async () => {
  const thread = spawnThread<unknown, ToEcho>(new URL("../../support/echo-thread.ts", import.meta.url));
  let ready = false;
  thread.receive(() => (ready = true));
  await until(() => ready);
  await thread.terminate();
  const ends: (Error | undefined)[] = [];
  thread.ended((error) => ends.push(error));
  await until(() => ends.length === 1);
  expect(ends).toEqual([undefined]);
});
