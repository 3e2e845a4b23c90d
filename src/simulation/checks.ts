/** All invariants, as a table, and the first violation of any. */
import { CertifiedEnds } from "./checkers/certified-ends.ts";
import { Convergence } from "./checkers/convergence.ts";
import { Departures } from "./checkers/departures.ts";
import { Detection } from "./checkers/detection.ts";
import { DirectoryNews } from "./checkers/directory-news.ts";
import { FalseFailure } from "./checkers/false-failure.ts";
import { FalseSuspicion } from "./checkers/false-suspicion.ts";
import { GoneTraffic } from "./checkers/gone-traffic.ts";
import { HeardAccusers } from "./checkers/heard-accusers.ts";
import { IdleLoad } from "./checkers/idle-load.ts";
import { Incarnations } from "./checkers/incarnations.ts";
import { Joining } from "./checkers/joining.ts";
import { LocalHealth } from "./checkers/local-health.ts";
import { MessageOrder, MessagesEnd } from "./checkers/messages.ts";
import { MissedGoodbyes } from "./checkers/missed-goodbyes.ts";
import { PacketSize, PacketTrust } from "./checkers/packets.ts";
import { ProbeRounds } from "./checkers/probe-rounds.ts";
import { Resurrection } from "./checkers/resurrection.ts";
import { SickAccusers } from "./checkers/sick-accusers.ts";
import { Storms } from "./checkers/storms.ts";
import { Woken } from "./checkers/woken.ts";
import type { Broken, Checker, Scene, Violation } from "./scene.ts";

const all: readonly (new (scene: Scene, broken: Broken) => Checker)[] = [
  Incarnations,
  Resurrection,
  Detection,
  CertifiedEnds,
  FalseFailure,
  FalseSuspicion,
  Joining,
  Departures,
  MissedGoodbyes,
  Convergence,
  DirectoryNews,
  MessagesEnd,
  MessageOrder,
  ProbeRounds,
  LocalHealth,
  SickAccusers,
  Woken,
  HeardAccusers,
  GoneTraffic,
  IdleLoad,
  Storms,
  PacketSize,
  PacketTrust,
];

export interface Checks {
  readonly checkers: readonly Checker[];
  readonly violations: readonly Violation[];
}

/** `broken` is called at each violation, after it was noted. */
export function makeChecks(scene: Scene, broken: () => void): Checks {
  const violations: Violation[] = [];
  const checkers = all.map((Kind) => {
    const checker: Checker = new Kind(scene, (detail) => {
      violations.push({ checker: checker.name, at_ms: scene.now(), detail });
      broken();
    });
    return checker;
  });
  return { checkers, violations };
}
