/**
 * Machines of a test on one machine: network namespaces, each with an address of its own, joined
 * by a bridge in a namespace apart. Taking a machine's port off the bridge cuts it off silently, as a
 * broken switch does. Needs root and iproute2 on Linux; nothing outside the namespaces is touched.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";

export function canMakeNamespaces(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const name = `${uniquePrefix()}probe`;
  if (spawnSync("ip", ["netns", "add", name]).status !== 0) return false;
  return spawnSync("ip", ["netns", "del", name]).status === 0;
}

/** Test files may share a process. */
function uniquePrefix(): string {
  return `cx${process.pid}-${randomBytes(3).toString("hex")}`;
}

export interface Machine {
  readonly namespace: string;
  readonly address: string;
}

export class Machines {
  readonly machines: readonly Machine[];
  readonly #prefix = uniquePrefix();
  readonly #switch = `${this.#prefix}sw`;

  constructor(count: number) {
    this.machines = Array.from({ length: count }, (_, i) => ({
      namespace: `${this.#prefix}n${i + 1}`,
      address: `10.77.0.${i + 1}`,
    }));
    try {
      ip("netns", "add", this.#switch);
      ip("-n", this.#switch, "link", "add", "br0", "type", "bridge");
      ip("-n", this.#switch, "link", "set", "br0", "up");
      this.machines.forEach((machine, i) => this.#plugIn(machine, `port${i + 1}`));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** The command that runs `command` on a machine. */
  on(index: number, command: readonly string[]): string[] {
    return ["ip", "netns", "exec", (this.machines[index] as Machine).namespace, ...command];
  }

  cut(index: number): void {
    ip("-n", this.#switch, "link", "set", `port${index + 1}`, "nomaster");
  }

  heal(index: number): void {
    ip("-n", this.#switch, "link", "set", `port${index + 1}`, "master", "br0");
  }

  /** Harmless twice. Processes inside must have ended. */
  dispose(): void {
    for (const name of [...this.machines.map(({ namespace }) => namespace), this.#switch]) {
      spawnSync("ip", ["netns", "del", name]);
    }
  }

  #plugIn({ namespace, address }: Machine, port: string): void {
    ip("netns", "add", namespace);
    ip("-n", namespace, "link", "set", "lo", "up");
    ip("-n", this.#switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace);
    ip("-n", this.#switch, "link", "set", port, "master", "br0", "up");
    ip("-n", namespace, "address", "add", `${address}/24`, "dev", "eth0");
    ip("-n", namespace, "link", "set", "eth0", "up");
  }
}

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", args);
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr.toString().trim()}`);
}
