/** V8 accepts the instrumented modules and computes what JSC computes; skipped where there is no node. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { patience_ms } from "../../support/patience.ts";
import { Specimen, instrument } from "../../support/wasm-compare.ts";
import { randomProgram } from "../../support/wasm-programs.ts";

/** Runs in node: instantiates each file, enters, starts, calls every export with the same values. */
const script = `
const { readFileSync } = require("node:fs");
const results = {};
for (const file of process.argv.slice(1)) {
  const e = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), {}).exports;
  e["caxton:enter"](2147483647, 5000, 65536);
  e["caxton:start"]?.();
  const calls = Object.keys(e).filter((name) => typeof e[name] === "function" && !name.startsWith("caxton:"));
  results[file] = calls.map((name) => {
    e["caxton:enter"](2000000000, 5000, 65536);
    try { return name + " " + e[name](123456, 77) + " " + e["caxton:fuel"](); } catch { return name + " trap"; }
  });
}
console.log(JSON.stringify(results));
`;

/** Bun puts itself on the path under the name of node, so the name alone says nothing. */
function findNode(): string | undefined {
  const candidates = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "node"));
  return candidates.find((path) => {
    if (!existsSync(path)) return false;
    return (
      spawnSync(path, ["-p", "process.versions.bun ?? 'node'"], { encoding: "utf8" }).stdout.trim() === "node"
    );
  });
}

const node = findNode();

test.skipIf(node === undefined)("V8 gives the same results for the same fuel", () => {
  const folder = mkdtempSync(join(tmpdir(), "caxton-wasm-"));
  try {
    const modules = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const name of ["algorithms", "vectors", "collections", "objects", "edges"]) {
      const bytes = readFileSync(new URL(`corpus/${name}.wasm`, import.meta.url));
      modules.set(join(folder, `${name}.wasm`), instrument(bytes));
      modules.set(join(folder, `${name}-nans.wasm`), instrument(bytes, { canonicalNans: true }));
    }
    // NaN bits differ between engines unless they are canonical.
    for (let seed = 0; seed < 40; seed++) {
      modules.set(join(folder, `${seed}.wasm`), instrument(randomProgram(seed), { canonicalNans: true }));
    }
    for (const [file, bytes] of modules) writeFileSync(file, bytes);
    const child = spawnSync(node ?? "node", ["-e", script, ...modules.keys()], {
      encoding: "utf8",
      timeout: patience_ms,
    });
    expect(child.stderr).toBe("");
    const theirs = JSON.parse(child.stdout) as Record<string, string[]>;
    for (const [file, bytes] of modules) {
      const specimen = new Specimen(bytes);
      const ours = specimen.functions.map((name) => {
        const outcome = specimen.call(name, 123_456, 77);
        return outcome.kind === "value"
          ? `${name} ${String(outcome.value)} ${specimen.fuel}`
          : `${name} trap`;
      });
      expect({ file, results: theirs[file] }).toEqual({ file, results: ours });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
