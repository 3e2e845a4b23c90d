/**
 * Leadership transfer (Ongaro, dissertation, section 3.10): the leader takes no more commands, waits until the target
 * has the whole log, and tells it to campaign at once, past its followers' loyalty. Within an election time-out that
 * has worked, or the leader goes on.
 */
import type { RaftId } from "./configuration.ts";
import type { TransferResult } from "./effects.ts";
import type { RaftState } from "./state.ts";

export class Transfer {
  /** Leadership ended with a transfer under way: who leads next is not known yet. */
  #ended: { readonly id: number; readonly deadline: number } | null = null;

  constructor(private readonly state: RaftState) {}

  begin(id: number, to: RaftId | null): void {
    const { state } = this;
    const { leadership } = state;
    if (leadership === null) return this.#answer(id, { kind: "refused", reason: "not-leader" });
    if (state.options.leaseReads) return this.#answer(id, { kind: "refused", reason: "lease-reads" });
    const target = to ?? bestTarget(state);
    const possible =
      target !== null && target !== state.self && state.configurations.roleOf(target) === "voter";
    if (!possible || leadership.transfer !== null)
      return this.#answer(id, { kind: "refused", reason: "no-target" });
    const deadline = state.now + state.timing.election_ms;
    leadership.transfer = { id, to: target, deadline, told: false };
  }

  run(): void {
    const { state } = this;
    const { leadership } = state;
    if (this.#ended !== null) this.#conclude(this.#ended);
    if (!leadership?.transfer) return;
    const { id, to, deadline, told } = leadership.transfer;
    if (state.now >= deadline) {
      leadership.transfer = null;
      this.#answer(id, { kind: "timeout" });
    } else if (!told && leadership.peers.get(to)?.match === state.log.last.index) {
      leadership.transfer.told = true;
      state.out.sendEarly(to, { kind: "timeout-now", term: state.term });
    }
  }

  due(): number {
    return Math.min(this.#ended?.deadline ?? Infinity, this.state.leadership?.transfer?.deadline ?? Infinity);
  }

  leadershipEnds(): void {
    const { state } = this;
    const transfer = state.leadership?.transfer;
    if (transfer) this.#ended = { id: transfer.id, deadline: state.now + state.timing.election_ms };
  }

  #conclude({ id, deadline }: { readonly id: number; readonly deadline: number }): void {
    const { leader, now } = this.state;
    if (leader === null && now < deadline) return;
    this.#ended = null;
    this.#answer(id, leader === null ? { kind: "timeout" } : { kind: "transferred", to: leader });
  }

  #answer(id: number, result: TransferResult): void {
    this.state.out.emit({ kind: "transfer", id, result });
  }
}

/** The voter that could lead soonest: in reach, then the furthest, then by priority. */
export function bestTarget({ leadership, configurations, now, timing, self }: RaftState): RaftId | null {
  if (leadership === null) return null;
  let best: { readonly id: RaftId; readonly match: number; readonly priority: number } | null = null;
  for (const { id, role, priority } of configurations.current.members) {
    const peer = leadership.peers.get(id);
    if (role !== "voter" || id === self || !peer || peer.doubted) continue;
    if (now - peer.heard > timing.election_ms || peer.state !== "replicate") continue;
    const better =
      best === null || peer.match > best.match || (peer.match === best.match && priority > best.priority);
    if (better) best = { id, match: peer.match, priority };
  }
  return best?.id ?? null;
}
