/** A module is brought to a thread once, however many agents of it come at once. */
import { expect, test } from "vitest";
import { GivenModules } from "../../../src/agents/given-modules.ts";
import type { PreparedModule } from "../../../src/wasm/prepare.ts";

const module = {} as PreparedModule;

/** What was sent, in order: `module` or `null`; the thread answers in a later turn. */
function thread() {
  const sent: string[] = [];
  const send = async (given: PreparedModule | null): Promise<string> => {
    sent.push(given === null ? "null" : "module");
    await Promise.resolve();
    return "done";
  };
  return { sent, send };
}

test("of many that come at once the first brings it, and the others follow before it was answered", async () => {
  const { sent, send } = thread();
  const modules = new GivenModules();
  const one = (): Promise<string> => modules.with("k", false, () => Promise.resolve(module), send);
  expect(await Promise.all([one(), one(), one()])).toEqual(["done", "done", "done"]);
  expect(await one()).toBe("done");
  expect(sent).toEqual(["module", "null", "null", "null"]);
});

test("it is brought again where the thread does not have it, and where another thread took its place", async () => {
  const { sent, send } = thread();
  const modules = new GivenModules();
  const one = (again: boolean): Promise<string> =>
    modules.with("k", again, () => Promise.resolve(module), send);
  await one(false);
  await one(true);
  modules.clear();
  await one(false);
  expect(sent).toEqual(["module", "module", "module"]);
});

test("where it cannot be prepared the next one tries, and none hangs", async () => {
  const { sent, send } = thread();
  const modules = new GivenModules();
  let attempts = 0;
  const prepare = (): Promise<PreparedModule> =>
    ++attempts === 1 ? Promise.reject(new Error("no room")) : Promise.resolve(module);
  const all = await Promise.allSettled([1, 2, 3].map(() => modules.with("k", false, prepare, send)));
  expect(all.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
  expect(sent).toEqual(["module", "null"]);
});
