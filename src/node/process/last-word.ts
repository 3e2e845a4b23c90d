/**
 * The death certificate of a running node, as its launcher holds it: a finished datagram, made and signed by the
 * node for its own boot epoch, and who is to get it. So the launcher needs no key and no code of the node; what
 * makes the word true is that it is sent only after the process was waited for.
 */
import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";

export interface LastWord {
  /** Base64. */
  readonly packet: string;
  readonly to: readonly { readonly host: string; readonly port: number }[];
}

/** Sent so often, since nobody acknowledges it; whoever hears it twice ignores it. */
export const lastWordTimes = 3;
export const lastWordPause_ms = 30;
/** Members that are told. */
export const lastWordMembers = 5;

/** Never throws: without it the others notice by themselves, only later. */
export function sayLastWord({ packet, to }: LastWord): void {
  const bytes = Buffer.from(packet, "base64");
  for (const family of ["udp4", "udp6"] as const) {
    const receivers = to.filter(({ host }) => isIPv6(host) === (family === "udp6"));
    if (receivers.length > 0) sendRounds(family, bytes, receivers);
  }
}

function sendRounds(family: "udp4" | "udp6", bytes: Uint8Array, to: LastWord["to"]): void {
  const socket = createSocket(family);
  // A receiver that is gone itself must not end the launcher.
  socket.on("error", () => undefined);
  let rounds = 0;
  const round = (): void => {
    if (rounds++ === lastWordTimes) {
      socket.close();
      return;
    }
    for (const { host, port } of to) socket.send(bytes, port, host, () => undefined);
    setTimeout(round, lastWordPause_ms);
  };
  round();
}
