/** What the gossip driver looks after once a second: what main is told, whom a stream is kept to, the profile. */
import type { NodeId } from "../../base/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import { isPresent } from "../../swim/members.ts";
import { neighboursOf } from "../../swim/neighbours.ts";
import type { Swim } from "../../swim/swim.ts";
import { autoTiming, type TimingOverrides, type TimingProfile } from "../../swim/timing.ts";
import type { GossipReport, GossipStreams } from "./reports.ts";
import type { GossipStatistics } from "./statistics.ts";
import { bootCeiling } from "../boot-ceiling.ts";
import { aliveOthers, type MemberViews } from "./views.ts";

export interface HousekeepingOptions {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly profile: TimingProfile;
  readonly timing?: TimingOverrides;
  readonly streams: GossipStreams;
  readonly report: (report: GossipReport) => void;
}

/**
 * A stream costs both ends a handshake, and while many join the ring changes with each of them: in a storm of joins,
 * or while this node cannot keep up, neighbours are dialled only once they were the same for so many looks.
 */
const looksAlike = 3;
/** And after so many looks whatever they are by then: without a stream nobody feels the end of a process. */
const looksMost = 8;
/** Main is told when each was last heard, and where it is, at each so many looks: it is woken for it. */
const tellEvery = 3;
/** From this local health on. */
const unwell = 3;

export class GossipHousekeeping {
  /** Seen last, for how many looks in a row, and those that streams are kept to. */
  #seen = "";
  #alike = 0;
  #kept = "";
  /** For how many looks others were kept than wanted. */
  #waited = 0;
  #looks = 0;

  constructor(
    private readonly options: HousekeepingOptions,
    private readonly swim: Swim,
    private readonly statistics: GossipStatistics,
    private readonly views: MemberViews,
  ) {}

  run(): void {
    const { options, swim } = this;
    swim.setBootCeiling(bootCeiling(options.clock));
    this.#keepNeighbours();
    if (this.#looks++ % tellEvery === 0) this.#tell();
    if (options.profile !== "auto") return;
    const present = nodesPresent(swim);
    swim.retime(autoTiming(swim.timing, this.statistics.roundTrips.values(), present, options.timing));
  }

  /** Members in good standing: a stream to others would only be dialled in vain. */
  #keepNeighbours(): void {
    const neighbours = neighboursOf(this.options.self, aliveOthers(this.swim, this.options.self));
    const names = neighbours.join(" ");
    this.#alike = names === this.#seen ? this.#alike + 1 : 1;
    this.#seen = names;
    this.#waited = names === this.#kept ? 0 : this.#waited + 1;
    if (this.#waited === 0 || this.#isTooSoon) return;
    this.#waited = 0;
    this.#kept = names;
    this.options.streams.keep?.(neighbours);
  }

  get #isTooSoon(): boolean {
    const isBusy = this.swim.isStormy || this.swim.localHealth >= unwell;
    return isBusy && this.#alike < looksAlike && this.#waited < looksMost;
  }

  #tell(): void {
    const { options, swim, views } = this;
    options.report({ kind: "seen", nodes: views.lastSeen(swim.members) });
    this.#reportPlaces();
  }

  #reportPlaces(): void {
    const { coordinates } = this.swim;
    const places = coordinates.takeChanged().flatMap((node) => {
      const place = coordinates.of(node);
      return place ? [[node, place] as const] : [];
    });
    if (places.length > 0) this.options.report({ kind: "places", own: coordinates.own, places });
  }
}

function nodesPresent(swim: Swim): number {
  let count = 0;
  for (const member of swim.members) if (isPresent(member)) count++;
  return count;
}
