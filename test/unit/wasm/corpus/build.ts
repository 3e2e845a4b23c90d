/**
 * Rebuilds the corpus's modules from their sources: `bun test/unit/wasm/corpus/build.ts`. Needs clang and
 * lld with the wasm32 target, and rustc with its wasm32 library (Debian: clang lld rustc
 * libstd-rust-dev-wasm32). The modules are checked in, so that tests need none of these.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import binaryen from "binaryen";

const folder = fileURLToPath(new URL(".", import.meta.url));
const path = (name: string): string => `${folder}${name}`;

function c(name: string, flags: readonly string[]): void {
  const target = ["--target=wasm32-unknown-unknown", "-O2", "-nostdlib", ...flags];
  const link = ["-Wl,--no-entry", "-Wl,-z,stack-size=16384", "-Wl,--strip-all"];
  execFileSync("clang", [...target, ...link, "-o", path(`${name}.wasm`), path(`${name}.c`)], { stdio: "inherit" });
}

function rust(name: string): void {
  // The system's compiler has the wasm32 library; one of rustup may not.
  const compiler = existsSync("/usr/bin/rustc") ? "/usr/bin/rustc" : "rustc";
  const flags = ["--target", "wasm32-unknown-unknown", "--crate-type", "cdylib", "--edition", "2021"];
  const profile = ["-O", "-C", "panic=abort", "-C", "lto=fat", "-C", "strip=symbols", "-C", "link-arg=-zstack-size=65536"];
  execFileSync(compiler, [...flags, ...profile, "-o", path(`${name}.wasm`), path(`${name}.rs`)], { stdio: "inherit" });
}

async function assemblyScript(name: string): Promise<void> {
  const flags = ["-O3", "--noAssert", "--runtime", "incremental", "--use", "abort="];
  const { error, stderr } = await asc.main([path(`${name}.ts`), ...flags, "-o", path(`${name}.wasm`)]);
  if (error) throw new Error(stderr.toString(), { cause: error });
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
