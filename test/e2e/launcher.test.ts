import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/node-process.ts";

const program = join(import.meta.dirname, "fixtures", "launching-process.ts");
/** Nothing is awaited for long here but what a test is about: a machine that stands still is no wedge and no slow stop. */
const quick = {
  backoffFirst_ms: 20,
  backoffLast_ms: 100,
  afterFailedStart_ms: 20,
  tick_ms: 100,
  silentTicks_max: 3_000,
  stopGrace_ms: 300_000,
  sameStop_ms: 0,
};

class Launched {
  readonly folder = mkdtempSync(join(tmpdir(), "caxton-launcher-"));
  readonly log = join(this.folder, "log");
  readonly process: ChildProcess;
  readonly exit: Promise<number | null>;
  stderr = "";

  constructor(mode: string, timings: object = quick, ...more: readonly string[]) {
    this.process = spawn(process.execPath, [program, JSON.stringify(timings), this.log, mode, ...more], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.process.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.exit = new Promise((resolve) => this.process.once("close", (code) => resolve(code)));
  }

  notes(): string[] {
    return existsSync(this.log) ? readFileSync(this.log, "utf8").trim().split("\n") : [];
  }

  /** Pids of the children so far, in order. */
  pids(): number[] {
    return this.notes().flatMap((note) => (note.startsWith("start ") ? [Number(note.split(" ")[1])] : []));
  }

  noted(note: string, times = 1): Promise<true> {
    return eventually(`${times} × ${note} (${this.stderr})`, () =>
      this.notes().filter((line) => line === note).length >= times ? true : undefined,
    );
  }

  /** What it said goes another way than what the child noted, and may come later. */
  said(text: string): Promise<true> {
    return eventually(`it says "${text}"`, () => (this.stderr.includes(text) ? true : undefined));
  }

  /** The first waits before a new start. */
  delays(count: number): Promise<readonly number[]> {
    return eventually(`${count} new starts`, () => {
      const delays = [...this.stderr.matchAll(/again in (\d+) ms/g)].map((match) => Number(match[1]));
      return delays.length >= count ? delays.slice(0, count) : undefined;
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const running: Launched[] = [];

function launch(mode: string, timings?: object, ...more: readonly string[]): Launched {
  const launched = new Launched(mode, timings, ...more);
  running.push(launched);
  return launched;
}

afterEach(endAll);

async function endAll(): Promise<void> {
  for (const launched of running.splice(0)) {
    launched.process.kill("SIGKILL");
    await launched.exit;
    for (const pid of launched.pids())
      await eventually(`end of ${pid}`, () => (alive(pid) ? undefined : true));
    rmSync(launched.folder, { recursive: true, force: true });
  }
}

describe("the launcher", () => {
  // Without its heartbeats, one each second, it would be killed after five: begun before all others, looked at after them.
  let living: Launched;
  beforeAll(() => {
    living = new Launched("serve", { ...quick, silentTicks_max: 50 });
  });
  afterAll(async () => {
    running.push(living);
    await endAll();
  });

  test("gives the node its environment and passes SIGTERM on; the node's exit is its own", async () => {
    const launched = launch("serve");
    await launched.noted("ready");
    expect(launched.notes()[0]).toContain("fast-memory=0");
    launched.signal("SIGTERM");
    expect(await launched.exit).toBe(0);
    expect(launched.notes()).toContain("sigterm");
    expect(launched.pids()).toHaveLength(1);
  });

  test("answers SIGINT, as of Ctrl-C, with a graceful stop", async () => {
    const launched = launch("serve");
    await launched.noted("ready");
    // The terminal sends it to the node as well, which leaves the answer to the launcher.
    for (const pid of launched.pids()) process.kill(pid, "SIGINT");
    launched.signal("SIGINT");
    expect(await launched.exit).toBe(0);
    expect(launched.notes()).toContain("sigterm");
  });

  test("takes a Ctrl-C that comes twice, from the terminal and through bun run, as one", async () => {
    const launched = launch("serve", { ...quick, sameStop_ms: 60_000 });
    await launched.noted("ready");
    launched.signal("SIGINT");
    launched.signal("SIGTERM");
    expect(await launched.exit).toBe(0);
    expect(launched.stderr).toBe("");
    expect(launched.notes()).toContain("sigterm");
  });

  test("does not start a node again that was removed from its cluster, and ends as it did", async () => {
    const launched = launch("removed");
    expect(await launched.exit).toBe(8);
    expect(launched.notes()).toContain("ready");
    expect(launched.pids()).toHaveLength(1);
  });

  test("passes SIGHUP on", async () => {
    const launched = launch("serve");
    await launched.noted("ready");
    launched.signal("SIGHUP");
    await launched.noted("sighup");
    expect(launched.process.exitCode).toBe(null);
  });

  test("starts the node again after a crash, and after a kill", async () => {
    const launched = launch("crash-once");
    await launched.noted("ready", 2);
    await launched.said("The node exited with code 70: starting it again in 20 ms");
    process.kill(launched.pids()[1] as number, "SIGKILL");
    await launched.noted("ready", 3);
    await launched.said("The node was ended by SIGKILL: starting it again in 40 ms");
  });

  test("waits longer after each crash, up to a bound", async () => {
    const launched = launch("crash-early");
    expect(await launched.delays(5)).toEqual([20, 40, 80, 100, 100]);
  });

  test("begins anew with the shortest wait once the node was well", async () => {
    const launched = launch("crash", { ...quick, healthyAfter_ms: 0 });
    expect(await launched.delays(2)).toEqual([20, 20]);
  });

  test("ends with the node that ended on purpose", async () => {
    const launched = launch("finish");
    expect(await launched.exit).toBe(0);
    expect(launched.pids()).toHaveLength(1);
  });

  test("does not repeat a start that cannot succeed", async () => {
    const launched = launch("refuse");
    expect(await launched.exit).toBe(6);
    expect(launched.pids()).toHaveLength(1);
  });

  test("kills a node whose main thread is stuck, and starts it again", async () => {
    const launched = launch("wedge-once", { ...quick, silentTicks_max: 15 });
    await launched.noted("ready", 2);
    await launched.said("no sign of life");
    expect(alive(launched.pids()[0] as number)).toBe(false);
  });

  test("kills a node that does not stop in its time", async () => {
    const launched = launch("stubborn", { ...quick, stopGrace_ms: 200 });
    await launched.noted("ready");
    launched.signal("SIGTERM");
    expect(await launched.exit).toBe(1);
    expect(launched.stderr).toContain("did not stop within 250 ms");
  });

  test("kills at once when told a second time", async () => {
    const launched = launch("stubborn", { ...quick, stopGrace_ms: 600_000 });
    await launched.noted("ready");
    launched.signal("SIGTERM");
    await launched.noted("sigterm");
    launched.signal("SIGTERM");
    expect(await launched.exit).toBe(1);
  });

  test("does not start again when told to stop while it waits", async () => {
    const launched = launch("crash-early", { ...quick, backoffFirst_ms: 600_000 });
    await eventually("the crash", () => (launched.stderr.includes("again in") ? true : undefined));
    launched.signal("SIGTERM");
    expect(await launched.exit).toBe(0);
    expect(launched.pids()).toHaveLength(1);
  });

  test("waits for longer after a start that failed than after a crash", async () => {
    const launched = launch("crash-early", { ...quick, afterFailedStart_ms: 600_000 });
    await eventually("the crash", () => (launched.stderr.includes("again in") ? true : undefined));
    expect(launched.stderr).toContain("starting it again in 600000 ms");
    launched.signal("SIGTERM");
    expect(await launched.exit).toBe(0);
  });

  test("leaves no orphan when it is killed itself", async () => {
    const launched = launch("serve");
    await launched.noted("ready");
    launched.signal("SIGKILL");
    await launched.noted("gone");
    await eventually("end of the node", () => (alive(launched.pids()[0] as number) ? undefined : true));
  });

  test("sends the last word of a node that stays away, and of one that ended in order nothing", async () => {
    const heard: string[] = [];
    const socket = createSocket("udp4").on("message", (packet) => heard.push(packet.toString()));
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const to = [{ host: "127.0.0.1", port: socket.address().port }];
    const word = (text: string): string => JSON.stringify({ packet: btoa(text), to });
    try {
      expect(await launch("finish", quick, word("in order")).exit).toBe(0);
      const launched = launch("serve", { ...quick, quietRestart_ms: 0 }, word("killed"));
      // The second note comes a beat after the first, with which the word was left at the latest.
      await launched.noted("second", 2);
      process.kill(launched.pids()[0] as number, "SIGKILL");
      await eventually("the last word", () => (heard.length > 0 ? true : undefined));
      expect(new Set(heard)).toEqual(new Set(["killed"]));
      // One that would be back soon, and is not.
      const lost = launch("serve-last", { ...quick, quietRestart_ms: 300_000 }, word("lost"));
      await lost.noted("second", 2);
      process.kill(lost.pids()[0] as number, "SIGKILL");
      await eventually("the other last word", () => (heard.includes("lost") ? true : undefined));
    } finally {
      socket.close();
    }
  });

  test("leaves a node alone that shows signs of life", async () => {
    await living.noted("second", 8);
    expect(living.stderr).toBe("");
    expect(living.pids()).toHaveLength(1);
  });
});
