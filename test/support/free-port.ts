/**
 * A port for a node that a test starts later. Not the operating system's choice: that is of the range from
 * which outgoing connections of the whole machine take theirs, so that it may be gone when the node comes.
 */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

/** Below the ephemeral ports of Linux (32,768 on) and macOS (49,152 on). */
const [first, end] = [15_000, 32_000] as const;
const attempts = 100;

/** Free a moment ago on loopback, for TCP and UDP. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(first, end);
    if ((await takesTcp(port)) && (await takesUdp(port))) return port;
  }
  throw new Error(`No free port between ${first} and ${end} in ${attempts} attempts`);
}

/** So many, no two the same. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
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
