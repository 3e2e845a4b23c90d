/**
 * Starts a file of `functions/` on a runtime, as a process on loopback, and says where it listens. Bun and
 * Deno run the file itself; Node and workerd (through miniflare) the same file bundled by `bun build`.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { patience_ms } from "./patience.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

export const edgeRuntimes = ["bun", "deno", "node", "workerd"] as const;
export type EdgeRuntime = (typeof edgeRuntimes)[number];

export interface RunningFunction {
  readonly url: string;
  stop(): Promise<void>;
}

/** Why the runtime cannot be used here, or null. */
export function missingRuntime(runtime: EdgeRuntime): string | null {
  if (spawnSync("bun", ["--version"]).error !== undefined) return "bun is not installed";
  if (runtime === "deno" && denoBinary() === null) return "the deno package has no binary for this machine";
  if ((runtime === "node" || runtime === "workerd") && spawnSync("node", ["--version"]).error !== undefined)
    return "node is not installed";
  if (runtime === "workerd" && !existsSync(join(root, "node_modules/miniflare")))
    return "miniflare is not installed";
  return null;
}

export async function startFunction(
  runtime: EdgeRuntime,
  name: "gateway" | "status",
  variables: Readonly<Record<string, string>>,
): Promise<RunningFunction> {
  const folder = mkdtempSync(join(tmpdir(), `caxton-${runtime}-`));
  const [command, ...parts] = commandOf(runtime, join(root, "functions", `${name}.ts`), folder, variables);
  const child = spawn(command as string, parts, {
    cwd: root,
    env: { ...process.env, ...variables, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await new Promise((resolve) => child.once("exit", resolve));
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { url: await addressOf(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function commandOf(
  runtime: EdgeRuntime,
  file: string,
  folder: string,
  variables: Readonly<Record<string, string>>,
): readonly string[] {
  const launcher = join(folder, "launcher.mjs");
  switch (runtime) {
    case "bun":
      writeFileSync(
        launcher,
        `import entry from ${JSON.stringify(file)};
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: entry.fetch });
console.log("listening " + server.url.origin);`,
      );
      return ["bun", launcher];
    case "deno": {
      const net = ["--allow-env", "--allow-net=127.0.0.1"];
      return [
        denoBinary() as string,
        "serve",
        "--no-check",
        ...net,
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        file,
      ];
    }
    case "node":
      writeFileSync(
        launcher,
        `import entry from ${JSON.stringify(bundled(file, folder, "node"))};
import { serve } from ${JSON.stringify(join(root, "node_modules/@hono/node-server/dist/index.mjs"))};
serve({ fetch: entry.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => console.log("listening http://127.0.0.1:" + port));`,
      );
      return ["node", launcher];
    case "workerd":
      writeFileSync(
        launcher,
        `import { readFileSync } from "node:fs";
import { Miniflare } from ${JSON.stringify(join(root, "node_modules/miniflare/dist/src/index.js"))};
const script = readFileSync(${JSON.stringify(bundled(file, folder, "browser"))}, "utf8");
const worker = new Miniflare({ modules: true, script, compatibilityDate: "2026-01-01", host: "127.0.0.1", port: 0, bindings: ${JSON.stringify(variables)} });
process.on("SIGTERM", () => worker.dispose().then(() => process.exit(0)));
console.log("listening " + (await worker.ready).origin);`,
      );
      return ["node", launcher];
  }
}

function bundled(file: string, folder: string, target: "node" | "browser"): string {
  const out = join(folder, "function.mjs");
  const built = spawnSync("bun", ["build", file, `--target=${target}`, "--format=esm", `--outfile=${out}`], {
    cwd: root,
    encoding: "utf8",
  });
  if (built.status !== 0) throw new Error(`bun build failed: ${built.stderr}`);
  return out;
}

/** The address that the process prints, or its output when it ends or says nothing. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => reject(new Error(`did not start: ${output}`)), patience_ms);
    const seen = (piece: Buffer): void => {
      output += piece.toString();
      const url = /listening (?:on )?(http:\/\/127\.0\.0\.1:\d+)/i.exec(output)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    };
    child.stdout?.on("data", seen);
    child.stderr?.on("data", seen);
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`ended with ${code}: ${output}`));
    });
  });
}

/** The npm package's own binary: its install script may not have run. */
function denoBinary(): string | null {
  const folder = join(root, "node_modules/@deno");
  const found = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name, "deno")) : [];
  return found.find((path) => existsSync(path)) ?? null;
}
