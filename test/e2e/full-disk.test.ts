/** A real node on a small disk of its own that is filled up and emptied again: what it says meanwhile, and that it comes back. */
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { eventually, TestNodeProcess } from "../support/node-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const root = temporaryDirectory("full-disk");
const disk = join(root.path, "disk");
const ballast = join(disk, "ballast");
const mounted = mountSmall(disk);
let node: TestNodeProcess | undefined;

function mountSmall(at: string): boolean {
  mkdirSync(at);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", at], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

afterAll(async () => {
  await node?.dispose();
  if (mounted) execFileSync("umount", ["--lazy", disk]);
  root.remove();
});

function fill(): void {
  for (const size of [1_048_576, 4_096, 512]) {
    try {
      for (;;) appendFileSync(ballast, new Uint8Array(size));
    } catch {
      // No room for another of this size.
    }
  }
}

async function readiness(of: TestNodeProcess): Promise<{ status: number; failing: string[] }> {
  const answer = await of.fetch("/readyz");
  const { checks } = (await answer.json()) as { checks: { name: string; ok: boolean }[] };
  return { status: answer.status, failing: checks.filter(({ ok }) => !ok).map(({ name }) => name) };
}

async function put(to: TestNodeProcess, size: number): Promise<number> {
  const answer = await to.fetch("/api/v1/kv/load", {
    method: "PUT",
    headers: { "content-type": "text/plain" },
    body: "x".repeat(size),
  });
  await answer.arrayBuffer();
  return answer.status;
}

test.skipIf(!mounted)(
  "a full disk makes the node unready by its own part in consensus, and with room it takes part again",
  async () => {
    node = await TestNodeProcess.start({ id: "node-1", dataDir: join(disk, "data") });
    const { id } = node;
    const running = node;
    await eventually(`${id} takes writes`, async () => ((await put(running, 10)) < 300 ? true : undefined));
    fill();
    await eventually("a write is refused", async () =>
      (await put(running, 200_000)) >= 500 ? true : undefined,
    );
    const full = await eventually("it says so", async () => {
      const ready = await readiness(running);
      return ready.failing.includes("consensus") && ready.failing.includes("quorum") ? ready : undefined;
    });
    expect(full).toMatchObject({ status: 503 });
    rmSync(ballast);
    await eventually("it is ready", async () => {
      const ready = await readiness(running);
      return ready.status === 200 && ready.failing.length === 0 ? true : undefined;
    });
    await eventually(`${id} takes writes again`, async () =>
      (await put(running, 10)) < 300 ? true : undefined,
    );
  },
);
