/**
 * How news changes the table. At one incarnation alive < suspect < failed < left; a newer incarnation,
 * which only its owner gives, beats them all. A buried node returns only with a newer one.
 */
import type { NodeId } from "../base/ids.ts";
import {
  type AliveUpdate,
  encodeRecord,
  type GossipRecord,
  type MemberState,
} from "../wire/gossip-records.ts";
import { compareIncarnations, counterLimit, type Incarnation, sameAddress } from "../wire/gossip-values.ts";
import { isPresent, type SwimMember, membersLimit } from "./members.ts";
import { sendAlone } from "./packets.ts";
import { refuteIfAccused } from "./refutation.ts";
import { memberKey, spreadMember, type SwimState } from "./state.ts";
import type { Vouching } from "./new-lives.ts";
import { Suspicion } from "./suspicion.ts";

/** Honest steps are far smaller; a larger one is meant to put a name out of its owner's reach. */
export const counterStepLimit = 1_000;

/**
 * `answer`: the subject itself said something old, and must be told what is held against it. `doubted`: what only its
 * teller says, and somebody else should be asked for.
 */
export type Verdict = "taken" | "ignored" | "answer" | "doubted";

export function applyAlive(
  state: SwimState,
  update: AliveUpdate,
  source: NodeId,
  isHearsay = update.node !== source,
): Verdict {
  if (update.node === state.self) return refuteIfAccused(state, update.incarnation, "alive", source);
  const member = state.members.get(update.node);
  const grave = state.members.grave(update.node);
  const isOwn = update.node === source;
  const stale = isOwn ? "answer" : "ignored";
  if (state.certificates.covers(update.node, update.incarnation.boot))
    return refuse(state, "certified_dead", stale);
  if (!member) {
    if (isBuried(state, update.node, update.incarnation)) return refuse(state, "stale", stale);
    if (state.members.size >= membersLimit) return refuse(state, "too_many_members", "ignored");
    if (!plausible(state, undefined, update.incarnation, isHearsay))
      return refuse(state, "poisoned", "ignored");
    // Who knows nobody yet cannot tell a lie from news.
    if (isHearsay && state.members.size === 1 && vouchingFor(state, update, source) !== "believed")
      return refuse(state, "unvouched_life", "ignored");
    welcomeMember(state, update, grave ? "came back after it was forgotten" : "joined", !isOwn);
    return "taken";
  }
  const newer = compareIncarnations(update.incarnation, member.incarnation);
  const sameLife = update.incarnation.boot === member.incarnation.boot;
  // Whoever told of a later life that it never had here erred or lied: it knows best itself.
  const isDenied = isOwn && member.isHearsay && !sameLife;
  if (newer < 0 && !isDenied) return refuse(state, "stale", stale);
  const isMoved = !sameAddress(update.address, member.address);
  // And so it does of where it is.
  const knowsBest = isMoved && isOwn;
  if (newer === 0) {
    if (member.status !== "alive") return refuse(state, "stale", stale);
    if (!knowsBest) return "ignored";
  }
  if (!plausible(state, member.incarnation, update.incarnation)) return refuse(state, "poisoned", "ignored");
  const vouching = sameLife ? "believed" : vouchingFor(state, update, source);
  if (vouching !== "believed" && vouching !== "alone") return refuse(state, "unvouched_life", "ignored");
  if (sameLife && isMoved && !knowsBest) return refuse(state, "poisoned", "ignored");
  revive(state, member, update, sameLife ? member.isHearsay && !isOwn : vouching === "alone");
  return "taken";
}

/** A new life is asked for itself while only one other speaks of it. */
function vouchingFor(state: SwimState, update: AliveUpdate, source: NodeId): Vouching {
  const { node, address } = update;
  if (node === source || state.plain) return "believed";
  // Names cost nothing: a stranger's word counts as little as its accusations do.
  if (!state.members.get(source)) return "wait";
  const { now, timing } = state;
  const heard = state.members.get(node)?.heard ?? now;
  const vouching = state.newLives.claimed(update, source, heard, now, timing);
  if (vouching === "ask") sendAlone(state, node, address, encodeRecord({ kind: "introduce" }));
  return vouching;
}

/** Said before it was forgotten; or by a life that an operator ended, whatever it says. */
function isBuried(state: SwimState, node: NodeId, incarnation: Incarnation): boolean {
  const grave = state.members.grave(node);
  if (grave === undefined) return false;
  return compareIncarnations(incarnation, grave) <= 0 || state.members.removedLife(node) === incarnation.boot;
}

function welcomeMember(state: SwimState, update: AliveUpdate, reason: string, isHearsay: boolean): void {
  const { node: id, incarnation, address, tags } = update;
  const row = { id, incarnation, address, tags, status: "alive" } as const;
  const member = state.members.insert(row, state.now, isHearsay);
  state.order.insert(id);
  state.joined();
  spreadMember(state, member);
  state.emit({ kind: "member", event: "joined", member, reason });
}

function revive(state: SwimState, member: SwimMember, update: AliveUpdate, isHearsay: boolean): void {
  const before = member.status;
  const restarted = update.incarnation.boot !== member.incarnation.boot;
  if (restarted) reportTakeover(state, member, update);
  else for (const accuser of member.suspicion?.accusers ?? []) state.accusers.refuted(accuser);
  member.incarnation = update.incarnation;
  member.isHearsay = isHearsay;
  member.address = update.address;
  member.tags = update.tags;
  if (restarted) member.loadSequence = 0;
  setStatus(state, member, "alive");
  if (before === "failed" && !restarted) member.back = state.now;
  if (before !== "alive" && before !== "suspect") {
    state.order.insert(member.id);
    state.joined();
  }
  spreadMember(state, member);
  if (restarted) {
    const reason = `restarted (boot epoch ${update.incarnation.boot})`;
    state.emit({ kind: "member", event: before === "left" ? "joined" : "alive", member, reason });
  } else if (before === "alive") {
    state.emit({ kind: "member", event: "updated", member, reason: "said something new of itself" });
  } else {
    const reason =
      before === "suspect" ? "refuted the suspicion" : `came back, was thought to have ${before}`;
    state.emit({ kind: "member", event: "alive", member, reason });
  }
}

/** Who spoke from elsewhere this lately was no dead life of it. */
const spokeLately_ms = 1_000;

/** A new life at another address while the old one still speaks is another node of the same name. */
function reportTakeover(state: SwimState, member: SwimMember, update: AliveUpdate): void {
  if (member.status !== "alive" || member.isHearsay || sameAddress(member.address, update.address)) return;
  const ago_ms = Math.round(state.now - member.heard);
  if (ago_ms > spokeLately_ms) return;
  const [old, fresh] = [member.address, update.address].map(({ host, port }) => `${host} port ${port}`);
  const reason =
    `node "${member.id}" is now at ${fresh}, while one of that name spoke from ${old} ${ago_ms} ms ago: ` +
    `the newer boot epoch ${update.incarnation.boot} has the name`;
  state.emit({ kind: "conflict", node: member.id, source: member.id, reason });
}

/** What a node says of those whom it judges by itself. */
export const ownReasons = { probed: "does not answer probes", silent: "did not answer in time" } as const;

export function applySuspect(
  state: SwimState,
  node: NodeId,
  incarnation: Incarnation,
  accuser: NodeId,
  reason = accuser === state.self ? ownReasons.probed : `accused by ${accuser}`,
): Verdict {
  if (node === state.self) return refuteIfAccused(state, incarnation, "suspect", accuser);
  const member = accused(state, node, incarnation);
  if (!member) return aboutTheGone(state, node, incarnation);
  if (accuser !== state.self && !state.members.get(accuser))
    return refuse(state, "unknown_accuser", "ignored");
  const newer = compareIncarnations(incarnation, member.incarnation);
  if (!isPresent(member)) {
    // No effect, but it shows that the owner has spoken since: older words must not count any more.
    const verdict = aboutTheGone(state, node, incarnation);
    member.incarnation = incarnation;
    return verdict;
  }
  if (wasApart(state, accuser)) return tellAccused(state, member, incarnation, accuser);
  if (member.status === "suspect" && newer === 0) {
    if (member.suspicion?.hasHeard(accuser) || !mayAccuse(state, accuser)) return "ignored";
    if (!member.suspicion?.confirm(accuser)) return "ignored";
    if (member.suspicion.confirmations <= state.timing.suspicionConfirmations)
      spreadSuspicion(state, member, accuser);
    return "taken";
  }
  if (!mayAccuse(state, accuser)) return "ignored";
  member.incarnation = incarnation;
  setStatus(state, member, "suspect");
  member.suspicion = new Suspicion(state.now, accuser, () => state.members.suspicionChanged());
  spreadSuspicion(state, member, accuser);
  state.emit({ kind: "member", event: "suspect", member, reason });
  return "taken";
}

/** In probe periods, as long as a suspicion lasts at most: by then its own probes have shown it who is there. */
const backPeriods = 20;

/** Lost here, or back but now: what it thinks of the others is of behind a cut. */
export function wasApart(state: SwimState, accuser: NodeId): boolean {
  const member = state.members.get(accuser);
  if (accuser === state.self || !member || state.plain) return false;
  return !isPresent(member) || state.now - member.back < backPeriods * state.timing.probe_ms;
}

/** So that it refutes what it is held for over there. Nobody here doubts it. */
function tellAccused(
  state: SwimState,
  { id: node, address }: SwimMember,
  incarnation: Incarnation,
  accuser: NodeId,
): Verdict {
  if (mayAccuse(state, accuser))
    sendAlone(state, node, address, encodeRecord({ kind: "failed", node, incarnation, accuser }));
  return "ignored";
}

/** Whoever still accuses a member that has left missed its goodbye, which raised its incarnation, and is told. */
function aboutTheGone(state: SwimState, node: NodeId, said: Incarnation): Verdict {
  const member = state.members.get(node);
  if (member?.status !== "left" || compareIncarnations(said, member.incarnation) > 0) return "ignored";
  return "answer";
}

/** This node's own probes are limited by its local health. */
function mayAccuse(state: SwimState, accuser: NodeId): boolean {
  if (accuser === state.self || state.plain) return true;
  if (state.accusers.allows(accuser, state.now, state.timing.probe_ms, state.members.present)) return true;
  state.refuse("too_many_accusations");
  return false;
}

/** Each accuser's word goes round under its name, so that others can count distinct ones. */
function spreadSuspicion(state: SwimState, member: SwimMember, accuser: NodeId): void {
  const record = encodeRecord({ kind: "suspect", node: member.id, incarnation: member.incarnation, accuser });
  const key =
    member.suspicion?.confirmations === 0 ? memberKey(member.id) : `${memberKey(member.id)} ${accuser}`;
  state.rumors.add(key, "membership", record);
}

export function applyFailed(
  state: SwimState,
  node: NodeId,
  incarnation: Incarnation,
  accuser: NodeId,
  reason = accuser === state.self ? ownReasons.silent : `reported by ${accuser}`,
): Verdict {
  if (node === state.self) return refuteIfAccused(state, incarnation, "failed", accuser);
  const member = accused(state, node, incarnation);
  if (!member) return aboutTheGone(state, node, incarnation);
  // Of a suspect it was to be expected; of a member in good standing it is an accusation like others.
  if (member.status === "alive" && !mayAccuse(state, accuser)) return "ignored";
  const verdict = aboutTheGone(state, node, incarnation);
  const isNews = isPresent(member);
  member.incarnation = incarnation;
  if (!isNews) return verdict;
  setStatus(state, member, "failed");
  spreadMember(state, member);
  state.emit({ kind: "member", event: "failed", member, reason });
  return "taken";
}

export function applyLeft(state: SwimState, node: NodeId, incarnation: Incarnation, source: NodeId): Verdict {
  if (node === state.self) return refuteIfAccused(state, incarnation, "left", source);
  const member = accused(state, node, incarnation);
  if (!member) return "ignored";
  const isNews = member.status !== "left";
  member.incarnation = incarnation;
  if (!isNews) return "ignored";
  setStatus(state, member, "left");
  spreadMember(state, member);
  state.emit({ kind: "member", event: "left", member, reason: "left" });
  return "taken";
}

export function applyLoad(state: SwimState, record: Extract<GossipRecord, { kind: "load" }>): Verdict {
  if (record.node === state.self) return "ignored";
  const member = state.members.get(record.node);
  if (!member || member.incarnation.boot !== record.boot || record.sequence <= member.loadSequence)
    return "ignored";
  member.load = record.load;
  member.loadSequence = record.sequence;
  state.rumors.add(`load ${record.node}`, "load", encodeRecord(record));
  state.emit({ kind: "load", member });
  return "taken";
}

/**
 * A row of somebody's table. It never brings back the gone: an unknown member that failed or left is
 * learned as such, with its age, and a failure is only a suspicion here until this node agrees.
 */
export function applyMemberState(state: SwimState, row: MemberState, source: NodeId): Verdict {
  if (row.node === state.self) return refuteIfAccused(state, row.incarnation, row.status, source);
  const known = state.members.get(row.node);
  const gone = row.status === "failed" || row.status === "left";
  if (!known && gone) return learnGone(state, row);
  if (row.status === "left") return applyLeft(state, row.node, row.incarnation, source);
  // It lived and ended, and was not heard of here: there is nothing to learn of one who is gone here, too.
  if (known && gone && !isPresent(known) && row.incarnation.boot > known.incarnation.boot) return "ignored";
  const verdict = applyAlive(state, row, source, false);
  // A table does not say whose word it is: it may be this node's own, told back a moment later, and confirms none.
  const isSuspected = state.members.get(row.node)?.status === "suspect";
  if (row.status !== "alive" && !isSuspected) applySuspect(state, row.node, row.incarnation, source);
  if (row.loadSequence > 0) {
    const { node, loadSequence: sequence, load } = row;
    applyLoad(state, { kind: "load", node, boot: row.incarnation.boot, sequence, load });
  }
  return verdict;
}

function learnGone(state: SwimState, row: MemberState): Verdict {
  if (row.status !== "failed" && row.status !== "left") return "ignored";
  const life_ms = row.status === "failed" ? state.timing.reapFailed_ms : state.timing.reapLeft_ms;
  if (!plausible(state, undefined, row.incarnation)) return refuse(state, "poisoned", "ignored");
  // Of a life that was buried here, whatever else it said before its end.
  const grave = state.members.grave(row.node);
  if (row.age_ms >= life_ms || (grave && row.incarnation.boot <= grave.boot)) return "ignored";
  if (state.members.size >= membersLimit) return refuse(state, "too_many_members", "ignored");
  const { node: id, incarnation, address, tags, status } = row;
  const member = state.members.insert({ id, incarnation, address, tags, status }, state.now, true);
  member.since = state.now - row.age_ms;
  member.heard = member.since;
  state.emit({ kind: "member", event: status, member, reason: "was so before this node joined" });
  return "taken";
}

/** The member that an accusation may concern: known, of this life or an older word about it, within bounds. */
export function accused(state: SwimState, node: NodeId, incarnation: Incarnation): SwimMember | undefined {
  const member = state.members.get(node);
  if (!member) return undefined;
  if (compareIncarnations(incarnation, member.incarnation) < 0) {
    state.refuse("stale");
    return undefined;
  }
  // Of a life that it never announced here, nothing can be said yet.
  const step = incarnation.counter - member.incarnation.counter;
  if (incarnation.boot !== member.incarnation.boot || step > counterStepLimit) {
    state.refuse("poisoned");
    return undefined;
  }
  return member;
}

/**
 * A word that an honest owner may give: a small step, or a new life that began before now. Of a member that is not
 * known here nobody can tell how far it is: if far, it says so itself, or a table does. By another's news alone a
 * liar would put a name out of its owner's reach at whoever joins.
 */
export function plausible(
  state: SwimState,
  known: Incarnation | undefined,
  next: Incarnation,
  isHearsay = false,
): boolean {
  if (next.boot === known?.boot) return next.counter - known.counter <= counterStepLimit;
  return next.boot <= state.bootCeiling && next.counter <= (isHearsay ? counterStepLimit : counterLimit / 2);
}

function setStatus(state: SwimState, member: SwimMember, status: SwimMember["status"]): void {
  state.members.setStatus(member, status, state.now);
}

function refuse(state: SwimState, reason: Parameters<SwimState["refuse"]>[0], verdict: Verdict): Verdict {
  state.refuse(reason);
  return verdict;
}
