/**
 * Authenticated reads a second of one node: `GET /api/v1/cluster/members` with a token, 64 connections,
 * one request at a time on each, from a process of its own. Three generators: autocannon, which needs about
 * as much processor as the node, plain sockets, which need less, and wrk, where it is installed, the least.
 * On a machine of two cores each takes one of them; the node's own processor time for a read says what a core
 * of it can do.
 */
import { spawn } from "node:child_process";
import type { Bench, BenchOptions, Figure } from "./measurement.ts";
import { nodePid, processorTime_us, startCluster } from "./nodes.ts";
import type { TestNodeProcess } from "../test/support/node-process.ts";

const path = "/api/v1/cluster/members";
const connections = 64;
const target = { at: "least", value: 30_000 } as const;

interface Run {
  readonly rate: number;
  readonly server_us: number;
}

export const bench: Bench = {
  question: "How many authenticated reads does one node answer in a second?",
  async run({ quick, log, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const { runs, seconds } = quick ? { runs: 1, seconds: 1 } : { runs: 7, seconds: 4 };
    const cluster = await startCluster(1);
    try {
      const [node] = cluster.nodes as [TestNodeProcess];
      const answer = await node.fetch(path);
      if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`);
      await answer.body?.cancel();
      await sockets(node, seconds);
      const plain: Run[] = [];
      const cannon: Run[] = [];
      const inC: Run[] = [];
      const hasWrk = Bun.which("wrk") !== null;
      if (!hasWrk) log("wrk is missing (Debian: apt-get install wrk): measured without it");
      for (let run = 0; run < runs; run++) {
        await quiet();
        plain.push(await measured(node, () => sockets(node, seconds)));
        await quiet();
        cannon.push(await measured(node, () => autocannon(node, seconds)));
        if (!hasWrk) continue;
        await quiet();
        inC.push(await measured(node, () => wrk(node, seconds)));
      }
      return [
        {
          metric: `${connections} connections, plain sockets`,
          unit: "reads/s",
          target,
          runs: plain.map(({ rate }) => rate),
        },
        {
          metric: `${connections} connections, autocannon`,
          unit: "reads/s",
          target,
          runs: cannon.map(({ rate }) => rate),
        },
        ...(hasWrk
          ? [
              {
                metric: `${connections} connections, wrk`,
                unit: "reads/s",
                target,
                runs: inC.map(({ rate }) => rate),
              },
            ]
          : []),
        {
          metric: "processor time of the node for a read",
          unit: "µs",
          runs: plain.map(({ server_us }) => server_us),
        },
      ];
    } finally {
      await cluster.dispose();
    }
  },
};

interface Load {
  readonly reads: number;
  readonly seconds: number;
}

async function measured(node: TestNodeProcess, load: () => Promise<Load>): Promise<Run> {
  const before_us = processorTime_us(nodePid(node));
  const { reads, seconds } = await load();
  return { rate: reads / seconds, server_us: (processorTime_us(nodePid(node)) - before_us) / reads };
}

/** As many reads as come back; throws for an answer other than 200. */
async function sockets(node: TestNodeProcess, seconds: number): Promise<Load> {
  const head = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${node.token()}\r\n\r\n`;
  const state = { reads: 0, ended: false };
  const began_ms = performance.now();
  const failed = Promise.withResolvers<never>();
  const readers = Array.from({ length: connections }, () => {
    return readAgain(node.apiPort, Buffer.from(head), state, failed.reject);
  });
  await Promise.race([Bun.sleep(seconds * 1_000), failed.promise]);
  state.ended = true;
  const took_ms = performance.now() - began_ms;
  for (const socket of await Promise.all(readers)) socket.terminate();
  return { reads: state.reads, seconds: took_ms / 1_000 };
}

const ok = Buffer.from("HTTP/1.1 200 ");
const endOfHead = Buffer.from("\r\n\r\n");

/** One connection: the next request when the answer to the last is whole. */
function readAgain(
  port: number,
  request: Buffer,
  state: { reads: number; readonly ended: boolean },
  failed: (error: Error) => void,
): Promise<Bun.Socket> {
  let kept: Buffer | undefined;
  const data = (socket: Bun.Socket, chunk: Buffer): void => {
    const answer = kept === undefined ? chunk : Buffer.concat([kept, chunk]);
    kept = answer;
    const head = answer.indexOf(endOfHead);
    if (head < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(answer.toString("latin1", 0, head))?.[1];
    if (answer.compare(ok, 0, ok.length, 0, ok.length) !== 0 || length === undefined) {
      failed(new Error(`An answer was no plain 200: ${answer.toString("latin1", 0, 200)}`));
      return;
    }
    if (answer.length < head + endOfHead.length + Number(length)) return;
    kept = undefined;
    state.reads++;
    if (!state.ended) socket.write(request);
  };
  const handlers = {
    open: (socket: Bun.Socket): void => void socket.write(request),
    data,
    error: (_: Bun.Socket, error: Error): void => failed(error),
    close: (): void => {
      if (!state.ended) failed(new Error("The node closed a connection"));
    },
  };
  return Bun.connect({ hostname: "127.0.0.1", port, socket: handlers });
}

async function autocannon(node: TestNodeProcess, seconds: number): Promise<Load> {
  const cli = new URL("../node_modules/autocannon/autocannon.js", import.meta.url).pathname;
  const args = ["-c", String(connections), "-p", "1", "-d", String(Math.ceil(seconds)), "-j", "-n"];
  const all = [cli, ...args, "-H", `authorization=Bearer ${node.token()}`, `${node.api}${path}`];
  const child = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`autocannon ended with ${code}`);
  const { requests, duration, non2xx } = JSON.parse(text) as {
    readonly requests: { readonly total: number };
    readonly duration: number;
    readonly non2xx: number;
  };
  if (non2xx > 0) throw new Error(`${non2xx} answers were not 200`);
  return { reads: requests.total, seconds: duration };
}

/** A generator in C, which leaves the node the most of two cores. */
async function wrk(node: TestNodeProcess, seconds: number): Promise<Load> {
  const args = ["-t1", `-c${connections}`, `-d${Math.ceil(seconds)}s`];
  const all = ["wrk", ...args, "-H", `Authorization: Bearer ${node.token()}`, `${node.api}${path}`];
  const child = Bun.spawn(all, { stdout: "pipe", stderr: "ignore" });
  const text = await new Response(child.stdout).text();
  const [, reads, took] = /(\d+) requests in ([\d.]+)s/.exec(text) ?? [];
  if ((await child.exited) !== 0 || text.includes("Non-2xx") || reads === undefined)
    throw new Error(`wrk did not get its answers:\n${text}`);
  return { reads: Number(reads), seconds: Number(took) };
}
