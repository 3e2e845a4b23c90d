/**
 * Clients of the key-value API in a process of their own, on a node's machine: each writes, swaps and reads at random,
 * and every operation is printed as two lines: its call, before it is sent, and what came of it, with the time of each
 * on the machine's monotonic clock, which all processes share. So what a killed client was in the middle of is known.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { readFileSync } from "node:fs";
import { Prng } from "../../src/base/prng.ts";
import type { HistoryEntry, RegisterOperation } from "../../src/simulation/linearizability.ts";

const [api, tokenFile, name, countText, keysText] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const keys = keysText.split(",");

/** What came of it; null when it cannot count, as nothing was done. `returned` is null while it may still be done. */
type Told = { readonly returned: number | null; readonly output: number | null } | null;

/** What a client asks, before it does, and then what it was told. */
export type HistoryLine =
  | { readonly kind: "called"; readonly entry: Omit<HistoryEntry, "returned" | "output"> }
  | { readonly kind: "returned"; readonly client: string; readonly told: Told };

function print(line: HistoryLine): void {
  console.log(JSON.stringify(line));
}

const patience_ms = 3_000;
/** Before a node that is not there is asked again. */
const restart_ms = 200;
/** Between two operations of a client, at most: what they ask as quickly as they can leaves no processor to the nodes. */
const pause_ms = 40;
/** Values are unique over all processes and tests of a cluster: the client's name is in them. */
const valuesPerClient = 1_000_000;

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly value: number;
  readonly version: string;
}

/** CLOCK_MONOTONIC itself: the runtime's own clocks count from the start of each process. */
const libc = dlopen("libc.so.6", {
  clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
});
const timespec = new BigInt64Array(2);
const clockMonotonic = 1;

function now_us(): number {
  libc.symbols.clock_gettime(clockMonotonic, ptr(timespec));
  return Number((timespec[0] ?? 0n) * 1_000_000n) + Number(timespec[1] ?? 0n) / 1_000;
}

async function call(method: string, key: string, body?: number, ifMatch?: string): Promise<Answer> {
  const headers: Record<string, string> = {
    authorization: `Bearer ${readFileSync(tokenFile, "utf8").trim()}`,
    "content-type": "text/plain",
    ...(ifMatch === undefined ? {} : { "if-match": ifMatch }),
  };
  // A node that is cut off answers from what it knew unless it is told that this will not do.
  const query = method === "GET" ? "?consistency=linearizable" : "";
  const answer = await fetch(`${api}/api/v1/kv/${key}${query}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: String(body) }),
    // A kept connection that closes would have the request sent again behind our back.
    keepalive: false,
    signal: AbortSignal.timeout(patience_ms),
  });
  const text = await answer.text();
  const version = answer.headers.get("etag") ?? "";
  if (method === "GET" && answer.ok) return { status: answer.status, code: "", value: Number(text), version };
  const code = answer.ok ? "" : String((JSON.parse(text) as { readonly code?: unknown }).code);
  return { status: answer.status, code, value: 0, version };
}

/** Codes under which certainly nothing was done. */
const undone = new Set(["no_quorum", "unavailable", "too_many_requests", "unauthenticated", "queue_full"]);

async function operate(client: string, prng: Prng, value: number): Promise<void> {
  const key = prng.pick(keys) ?? "a";
  const kind = prng.pick(["write", "read", "swap"] as const) ?? "read";
  let operation: RegisterOperation = kind === "write" ? { kind, value } : { kind: "read" };
  let ifMatch: string | undefined;
  if (kind === "swap") {
    // The version is that of one value, which nothing else ever writes.
    const before = await call("GET", key).catch(() => undefined);
    if (before?.status !== 200) return;
    operation = { kind, expected: before.value, value };
    ifMatch = before.version;
  }
  print({ kind: "called", entry: { client, key, operation, called: now_us() } });
  print({ kind: "returned", client, told: await answerTo(operation, key, ifMatch) });
}

async function answerTo(
  operation: RegisterOperation,
  key: string,
  ifMatch: string | undefined,
): Promise<Told> {
  const { kind } = operation;
  const open = { returned: null, output: null };
  try {
    const answer = await (kind === "read" ? call("GET", key) : call("PUT", key, operation.value, ifMatch));
    const returned = now_us();
    // Kept by a minority: done some time later, or refused then.
    if (answer.status === 202) return open;
    if (kind === "read" && answer.status === 404) return { returned, output: 0 };
    if (kind === "read" && answer.status === 200) return { returned, output: answer.value };
    if (kind === "swap" && answer.status === 412) return { returned, output: 0 };
    if (answer.status < 300) return { returned, output: kind === "swap" ? 1 : null };
    return kind === "read" || undone.has(answer.code) ? null : open;
  } catch (thrown) {
    const refused = thrown instanceof Error && "code" in thrown && thrown.code === "ConnectionRefused";
    if (refused) await new Promise((resolve) => setTimeout(resolve, restart_ms));
    return kind === "read" || refused ? null : open;
  }
}

async function run(index: number): Promise<never> {
  const seed = Number.parseInt(Buffer.from(name).toString("hex").slice(-8), 16) + index;
  const prng = new Prng(seed);
  for (let n = 1; ; n++) {
    const value = (seed % 8_000) * valuesPerClient + index * 100_000 + n;
    await operate(`${name}-${index}`, prng, value);
    await new Promise((resolve) => setTimeout(resolve, prng.below(pause_ms)));
  }
}

await Promise.all(Array.from({ length: Number(countText) }, (_, index) => run(index)));
