/**
 * Builds the example agents from their sources into `wasm-agents/<name>.wasm`: `bun run agents:build [name…]`.
 * AssemblyScript and WAT need only `bun install`; C and Rust need a compiler, and are skipped, with word
 * of how to get it, where there is none.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import binaryen from "binaryen";

type Language = "assemblyscript" | "wat" | "c" | "rust";

interface AgentSource {
  readonly name: string;
  readonly language: Language;
  /** From this folder. */
  readonly source: string;
}

const here = fileURLToPath(new URL(".", import.meta.url));

const misbehaving = [
  "endless-loop.ts",
  "endless-recursion.ts",
  "memory-bomb.ts",
  "huge-fill.ts",
  "bad-pointer.ts",
  "init-loop.ts",
  "table-bomb.wat",
  "huge-table.wat",
];

const languageOf: Readonly<Record<string, Language>> = {
  ts: "assemblyscript",
  wat: "wat",
  c: "c",
  rs: "rust",
};

/** Every example agent; its module is `<name>.wasm` in this folder. */
export const agentSources: readonly AgentSource[] = [
  ...[
    "echo/echo.ts",
    "counter/counter.ts",
    "notebook/notebook.ts",
    "ping/ping.ts",
    "pong/pong.ts",
    "tally/tally.ts",
  ].map((source) => sourceOf("", source)),
  { name: "echo-c", language: "c", source: "echo-c/echo.c" },
  { name: "echo-rust", language: "rust", source: "echo-rust/echo.rs" },
  ...misbehaving.map((file) => sourceOf("misbehaving-", `misbehaving/${file}`)),
];

function sourceOf(prefix: string, source: string): AgentSource {
  const [, name, extension] = /([^/]+)\.(\w+)$/.exec(source) as unknown as [string, string, string];
  return { name: prefix + name, language: languageOf[extension] as Language, source };
}

/** The flags that an agent in AssemblyScript is built with; `README.md` gives them to authors. */
const assemblyScriptFlags = [
  "-O3",
  "--noAssert",
  "--runtime",
  "minimal",
  "--use",
  "abort=",
  "--exportStart",
  "_initialize",
];

const clangFlags = [
  "--target=wasm32-unknown-unknown",
  "-std=c11",
  "-O2",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-nostdlib",
  "-ffreestanding",
  "-mbulk-memory",
  "-Wl,--no-entry",
  "-Wl,--strip-all",
  "-Wl,--stack-first",
  "-Wl,-z,stack-size=16384",
];

const rustFlags = [
  ...["--edition", "2021", "--target", "wasm32-unknown-unknown", "--crate-type", "cdylib", "-O"],
  ...["-C", "panic=abort", "-C", "lto=fat", "-C", "codegen-units=1", "-C", "strip=symbols"],
  ...[
    "-C",
    "target-feature=+bulk-memory",
    "-C",
    "link-arg=-zstack-size=16384",
    "-C",
    "link-arg=--stack-first",
  ],
];

/** The module's bytes, or why it could not be built here. */
type Built =
  | { readonly kind: "built"; readonly wasm: Uint8Array }
  | { readonly kind: "skipped"; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: string };

export async function buildAgent(agent: AgentSource): Promise<Built> {
  switch (agent.language) {
    case "assemblyscript":
      return buildAssemblyScript(agent.source);
    case "wat":
      return buildWat(agent.source);
    case "c":
      return buildWithTool(clang(), (out) => [...clangFlags, "-o", out, agent.source], clangHint);
    case "rust":
      return buildWithTool(rustc(), (out) => [...rustFlags, "-o", out, agent.source], rustHint);
  }
}

async function buildAssemblyScript(source: string): Promise<Built> {
  let wasm: Uint8Array | null = null;
  const args = [source, "sdk/assemblyscript/abi.ts", ...assemblyScriptFlags, "--outFile", "out.wasm"];
  const { error, stderr } = await asc.main([...args, "--baseDir", here], {
    writeFile: (_name, contents) => {
      if (typeof contents !== "string") wasm = contents;
    },
  });
  if (error || !wasm) return { kind: "failed", reason: `${stderr.toString()}${error?.message ?? ""}` };
  return { kind: "built", wasm };
}

function buildWat(source: string): Built {
  const module = binaryen.parseText(readFileSync(join(here, source), "utf8"));
  module.setFeatures(binaryen.Features.All);
  const valid = module.validate() === 1;
  const wasm = module.emitBinary();
  module.dispose();
  return valid ? { kind: "built", wasm } : { kind: "failed", reason: `${source} is not valid` };
}

const clangHint = "no clang with wasm-ld; on Debian: apt-get install clang lld";
const rustHint =
  "no rustc with the wasm32 target; on Debian: apt-get install rustc libstd-rust-dev-wasm32 lld";

/** A clang that has its WebAssembly linker beside it. */
function clang(): string | null {
  return runs("clang", ["--version"]) && runs("wasm-ld", ["--version"]) ? "clang" : null;
}

/** The first rustc that has the target: `PATH`'s may be rustup's without it, while Debian's has it. */
function rustc(): string | null {
  for (const command of ["rustc", "/usr/bin/rustc"]) {
    const found = spawnSync(command, ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"], {
      encoding: "utf8",
    });
    if (found.status === 0 && existsSync(found.stdout.trim())) return command;
  }
  return null;
}

function runs(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args).status === 0;
}

function buildWithTool(tool: string | null, args: (out: string) => readonly string[], hint: string): Built {
  if (!tool) return { kind: "skipped", reason: hint };
  const out = join(mkdtempSync(join(tmpdir(), "caxton-agents-")), "out.wasm");
  try {
    const run = spawnSync(tool, args(out), { cwd: here, encoding: "utf8" });
    if (run.status !== 0) return { kind: "failed", reason: run.stderr };
    return { kind: "built", wasm: readFileSync(out) };
  } finally {
    rmSync(dirname(out), { recursive: true });
  }
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !agentSources.some((agent) => agent.name === name));
  if (unknown.length > 0) {
    console.error(
      `No agent ${unknown.join(", ")}; there are ${agentSources.map((agent) => agent.name).join(", ")}`,
    );
    return 2;
  }
  let failures = 0;
  for (const agent of agentSources.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const built = await buildAgent(agent);
    if (built.kind === "built") {
      writeFileSync(join(here, `${agent.name}.wasm`), built.wasm);
      console.log(`${agent.name}.wasm  ${built.wasm.length} bytes  from ${agent.source}`);
    } else if (built.kind === "skipped") {
      console.log(`${agent.name}.wasm  skipped, kept as it is: ${built.reason}`);
    } else {
      console.error(`${agent.name}.wasm  failed: ${built.reason}`);
      failures++;
    }
  }
  return failures === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
