/**
 * A port for a node that a test starts later. Not the operating system's choice: that is of the range from
 * which outgoing connections of the whole machine take theirs, so that it may be gone when the node comes.
 * And nobody else's who asks here: a file in the system's own directory says whose it is, until that process ends.
 */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Below the ephemeral ports of Linux (32,768 on) and macOS (49,152 on), as is the port of Raft. */
const [first, end] = [15_000, 31_000] as const;
/** From a port of gossip to that of Raft. Of two thousands only the first is given, so that it is nobody else's. */
const toRaft = 1_000;
const attempts = 1_000;
const folder = join(tmpdir(), "caxton-test-ports");

/** Free a moment ago on loopback, for TCP and UDP, and this process's from now on. */
export async function freePort(): Promise<number> {
  mkdirSync(folder, { recursive: true });
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = first + 2 * toRaft * randomInt((end - first) / (2 * toRaft)) + randomInt(toRaft);
    const free = reserved(port) && (await takesTcp(port)) && (await takesUdp(port));
    if (free && (await takesTcp(port + toRaft))) return port;
  }
  throw new Error(`No free port between ${first} and ${end} in ${attempts} attempts`);
}

/** So many, no two the same. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

function reserved(port: number): boolean {
  const path = join(folder, String(port));
  for (const last of [false, true]) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return true;
    } catch (error) {
      // A directory of another user's says nothing: then the port is only free, and nobody's.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") return true;
      if (last || !abandoned(path)) return false;
      rmSync(path, { force: true });
    }
  }
  return false;
}

function abandoned(path: string): boolean {
  try {
    const holder = Number(readFileSync(path, "utf8"));
    // Empty for the moment between its making and its writing.
    if (holder > 0) process.kill(holder, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function takesTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

function takesUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", () => resolve(false));
    socket.bind(port, "127.0.0.1", () => socket.close(() => resolve(true)));
  });
}
