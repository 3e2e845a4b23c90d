/** Packets on the wire: never too large, and none that was altered or seen before is believed. */
import { datagramLimit_bytes } from "../../wire/datagram.ts";
import { nodeName } from "../node-set.ts";
import type { Packet } from "../network.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

export class PacketSize implements Checker {
  readonly name = "packet-size";
  readonly rule = `no packet is larger than ${datagramLimit_bytes} bytes`;
  checked = 0;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  /** A larger one is not sent, and what it said is lost. */
  second(): void {
    for (const { index } of this.scene.nodes) {
      const refused = this.scene.stats(index)?.dropped["too_large"] ?? 0;
      if (refused > 0) this.broken(`${nodeName(index)} made ${refused} packets that are too large`);
    }
  }

  sent({ from, bytes }: Packet): void {
    this.checked++;
    if (bytes.length > datagramLimit_bytes) this.broken(`${nodeName(from)} sent ${bytes.length} bytes`);
  }
}

export class PacketTrust implements Checker {
  readonly name = "packet-trust";
  readonly rule = "no altered packet is believed, and none twice by one process";
  checked = 0;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  believed(node: number, packet: Packet): void {
    this.checked++;
    const { from, altered, original } = packet;
    if (altered) this.broken(`${nodeName(node)} believed an altered packet of ${nodeName(from)}`);
    const life = this.scene.nodes[node]?.life ?? 0;
    const { believedBy } = original ?? packet;
    if (believedBy.includes(life))
      this.broken(`${nodeName(node)} believed a packet of ${nodeName(from)} twice`);
    else believedBy.push(life);
  }
}
