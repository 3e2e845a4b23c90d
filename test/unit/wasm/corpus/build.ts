/**
 * Rebuilds the corpus's modules from their sources: `bun test/unit/wasm/corpus/build.ts`. Needs clang and
 * lld with the wasm32 target, and rustc with its wasm32 library (Debian: clang lld rustc
 * libstd-rust-dev-wasm32). The modules are checked in, so that tests need none of these.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import binaryen from "binaryen";

const folder = fileURLToPath(new URL(".", import.meta.url));
const path = (name: string): string => `${folder}${name}`;

function c(name: string, flags: readonly string[]): void {
  const target = ["--target=wasm32-unknown-unknown", "-O2", "-nostdlib", ...flags];
  const link = ["-Wl,--no-entry", "-Wl,-z,stack-size=16384", "-Wl,--strip-all"];
  execFileSync("clang", [...target, ...link, "-o", `${name}.wasm`, `${name}.c`], {
    stdio: "inherit",
    cwd: folder,
  });
}

function rust(name: string): void {
  // The system's compiler has the wasm32 library; one of rustup may not.
  const compiler = existsSync("/usr/bin/rustc") ? "/usr/bin/rustc" : "rustc";
  const flags = ["--target", "wasm32-unknown-unknown", "--crate-type", "cdylib", "--edition", "2021"];
  const profile = [
    "-O",
    "-C",
    "panic=abort",
    "-C",
    "lto=fat",
    "-C",
    "strip=symbols",
    "-C",
    "link-arg=-zstack-size=65536",
  ];
  // By its name in its folder: the compiler writes the source's path into panics as it was given.
  execFileSync(compiler, [...flags, ...profile, "-o", `${name}.wasm`, `${name}.rs`], {
    stdio: "inherit",
    cwd: folder,
  });
}

/** From the text: with the extension .ts the source would be taken for TypeScript by everything here. */
async function assemblyScript(name: string): Promise<void> {
  const flags = { optimizeLevel: 3, noAssert: true, runtime: "incremental", use: ["abort="] };
  const { error, binary } = await asc.compileString(readFileSync(path(`${name}.as`), "utf8"), flags);
  if (error || binary === null) throw new Error(`${name}.as does not compile`, { cause: error });
  writeFileSync(path(`${name}.wasm`), binary);
}

function wat(name: string): void {
  const module = binaryen.parseText(readFileSync(path(`${name}.wat`), "utf8"));
  const { All, GC } = binaryen.Features;
  module.setFeatures(All & ~GC);
  if (module.validate() === 0) throw new Error(`${name}.wat is not valid`);
  writeFileSync(path(`${name}.wasm`), module.emitBinary());
}

c("algorithms", ["-mbulk-memory", "-mnontrapping-fptoint", "-msign-ext"]);
c("vectors", ["-msimd128"]);
rust("collections");
await assemblyScript("objects");
wat("edges");
// The linker makes programs; these are data.
for (const name of ["algorithms", "vectors", "collections"]) chmodSync(path(`${name}.wasm`), 0o644);
