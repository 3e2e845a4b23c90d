import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureInstalled } from "../../../../src/node/process/install.ts";

let root = "";
let installs = 0;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "caxton-install-"));
  installs = 0;
  writeFileSync(join(root, "bun.lock"), "one");
  writeFileSync(join(root, "package.json"), "{}");
});

afterEach(() => rmSync(root, { recursive: true }));

function install(folder: string): boolean {
  installs += 1;
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  return true;
}

test("installs once, and again when the lock file changed or the folder is gone", () => {
  expect(ensureInstalled(root, install)).toBe("installed");
  expect(ensureInstalled(root, install)).toBe("current");
  writeFileSync(join(root, "bun.lock"), "two");
  expect(ensureInstalled(root, install)).toBe("installed");
  rmSync(join(root, "node_modules"), { recursive: true });
  expect(ensureInstalled(root, install)).toBe("installed");
  expect(installs).toBe(3);
});

test("a failed install is tried again the next time", () => {
  expect(ensureInstalled(root, () => false)).toBe("failed");
  expect(ensureInstalled(root, install)).toBe("installed");
});

test("the lock of an install that was killed is taken over", () => {
  const lock = join(root, ".caxton-install.lock");
  writeFileSync(lock, "");
  utimesSync(lock, new Date(0), new Date(0));
  expect(ensureInstalled(root, install)).toBe("installed");
  expect(existsSync(lock)).toBe(false);
});
