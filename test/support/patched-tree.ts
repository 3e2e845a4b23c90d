/** A copy of the sources with one text replaced, to run the product with a bug in it. The checkout is not touched. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patience_ms } from "./patience.ts";
import { thorough } from "./thorough.ts";

const root = join(import.meta.dirname, "..", "..");

export interface Patch {
  readonly file: string;
  readonly text: string;
  readonly patched: string;
  readonly also?: Patch;
}

/** In which runs of the tests a known bug is put back: each, as it is quick to find, thorough ones, or only those of all. */
export interface Tried {
  readonly always?: true | "thorough";
}

/** `CAXTON_SIM_BUGS=all` tries every bug. */
export function isTried({ always }: Tried): boolean {
  return process.env["CAXTON_SIM_BUGS"] === "all" || always === true || (thorough && always !== undefined);
}

export class PatchedTree {
  readonly folder = mkdtempSync(join(tmpdir(), "sim-"));

  constructor() {
    cpSync(join(root, "src"), join(this.folder, "src"), { recursive: true });
    for (const file of ["package.json", "tsconfig.json"]) cpSync(join(root, file), join(this.folder, file));
    symlinkSync(join(root, "node_modules"), join(this.folder, "node_modules"));
  }

  /** Runs `caxton` with the patch applied, then takes it back. Throws when a text is not there exactly once. */
  run(patch: Patch, args: readonly string[]): { readonly exit: number | null; readonly stdout: string } {
    return this.play(patch, join(this.folder, "src", "cli", "main.ts"), args);
  }

  /** The same with any program, which finds the patched sources in `folder`. */
  play(
    patch: Patch,
    program: string,
    args: readonly string[],
  ): { readonly exit: number | null; readonly stdout: string } {
    const restore = this.#apply(patch);
    const restoreAlso = patch.also && this.#apply(patch.also);
    try {
      // A patched program may never end.
      const { status, signal, stdout } = spawnSync(process.execPath, [program, ...args], {
        cwd: this.folder,
        encoding: "utf8",
        timeout: patience_ms,
        maxBuffer: 64 * 1024 * 1024,
      });
      if (signal !== null)
        throw new Error(`The patched program was ended by ${signal} after ${patience_ms} ms`);
      return { exit: status, stdout };
    } finally {
      restoreAlso?.();
      restore();
    }
  }

  #apply({ file, text, patched }: Patch): () => void {
    const path = join(this.folder, "src", file);
    const source = readFileSync(path, "utf8");
    const found = source.split(text).length - 1;
    if (found !== 1) throw new Error(`${file} has the text to patch ${found} times: ${text}`);
    writeFileSync(
      path,
      source.replace(text, () => patched),
    );
    return () => writeFileSync(path, source);
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
