import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { callersFolder } from "../../../src/cli/callers-folder.ts";

const caller = tmpdir();
const script = {
  npm_lifecycle_event: "caxton",
  npm_package_json: "/repo/package.json",
  npm_config_local_prefix: caller,
};

test("as a package script the program works where its caller is", () => {
  expect(callersFolder(script, "/repo")).toBe(caller);
  expect(callersFolder({ ...script, npm_lifecycle_event: "node" }, "/repo")).toBe(caller);
});

test.each([
  ["run by itself", {}, "/repo"],
  ["from the package's own folder", { ...script, npm_config_local_prefix: "/repo" }, "/repo"],
  ["inside of another script", { ...script, npm_lifecycle_event: "test" }, "/repo"],
  ["started elsewhere with an inherited environment", script, "/somewhere"],
  ["from a folder that is gone", { ...script, npm_config_local_prefix: "/repo/none/such" }, "/repo"],
])("%s it stays where it is", (_, env, current) => {
  expect(callersFolder(env, current)).toBeUndefined();
});
