/**
 * What a node does in its cluster, done once before it has one: a few members in memory find each other, with
 * real packets and seals, on a clock of their own. The runtime loads and compiles code when it first runs, which
 * takes longer than joining itself; so it is done while this thread has nothing else to do. Nothing comes of it.
 */
import type { NodeId } from "../../base/ids.ts";
import { Prng } from "../../base/prng.ts";
import { VirtualClock } from "../../platform/memory/clock.ts";
import { memoryDatagrams } from "../../platform/memory/datagrams.ts";
import { MemoryNetwork } from "../../platform/memory/network.ts";
import type { Address, Datagrams } from "../../ports/datagrams.ts";
import type { Certifier } from "../../wire/death-certificate.ts";
import { type Deflate, packFrame, unpackFrame } from "../../wire/packed-frame.ts";
import type { Sealer } from "../../wire/sealer.ts";
import { GossipDriver } from "./driver.ts";

export interface RehearsalOptions {
  readonly sealerFor: (node: NodeId, uuid: string) => Sealer;
  readonly certifierFor: (uuid: string) => Certifier;
  readonly deflate: Deflate;
  /** Lets everything else that waits for this thread go first. */
  readonly pause: () => Promise<void>;
  /** True when there is real work: the rehearsal ends. */
  readonly interrupted: () => boolean;
}

const members = 8;
const lasts_ms = 3_000;
/** Of virtual time, between two pauses: some milliseconds of processor time. */
const slice_ms = 50;
const uuid = "00000000-0000-7000-8000-000000000000";
const port = 7_946;
const tags = { version: "", region: "", zone: "", api: "", maxAgents: 1, weight: 1, services: ["rehearsal"] };

export async function rehearse(options: RehearsalOptions): Promise<void> {
  const clock = new VirtualClock();
  const datagrams = memoryDatagrams(new MemoryNetwork(clock, new Prng(1)));
  const troupe = new Map<string, GossipDriver>();
  for (let i = 1; i <= members; i++) troupe.set(hostOf(i), memberOf(i, options, clock, troupe));
  for (const [host, driver] of troupe) await open(driver, datagrams, host);
  for (let at_ms = 0; at_ms < lasts_ms && !options.interrupted(); at_ms += slice_ms) {
    clock.advance(slice_ms);
    await options.pause();
  }
  for (const driver of troupe.values()) await driver.close();
}

async function open(driver: GossipDriver, datagrams: Datagrams, host: string): Promise<void> {
  await driver.open(datagrams, { host, port });
  if (host !== hostOf(1)) driver.join([{ host: hostOf(1), port }]);
}

function memberOf(
  index: number,
  { sealerFor, certifierFor, deflate }: RehearsalOptions,
  clock: VirtualClock,
  troupe: ReadonlyMap<string, GossipDriver>,
): GossipDriver {
  const self = `rehearsal-${index}` as NodeId;
  const address: Address = { host: hostOf(index), port };
  const driver: GossipDriver = new GossipDriver({
    self,
    boot: 1,
    cluster: "rehearsal",
    uuid: index === 1 ? uuid : null,
    address,
    tags,
    profile: "lan",
    seed: index,
    clock,
    sealerFor: (known) => sealerFor(self, known),
    certifierFor,
    streams: {
      send: (to, bytes) => {
        const frame = unpackFrame(packFrame(bytes, deflate), deflate);
        const receiver = troupe.get(hostOf(Number(to.split("-")[1])));
        if (frame) clock.after(1, () => receiver?.frame(self, frame));
        return true;
      },
      contact: (contact, to, hello) => {
        const reply = troupe.get(to.host)?.answerHello(hello, self, address);
        if (!reply) return;
        const by = `rehearsal-${to.host.split(".").at(-1) ?? ""}` as NodeId;
        clock.after(1, () => driver.contacted(contact, to, { kind: "answered", by, reply }));
      },
    },
    report: (report) => {
      if (report.kind === "adopted") clock.after(1, () => driver.kept());
    },
  });
  return driver;
}

function hostOf(index: number): string {
  return `10.0.0.${index}`;
}
