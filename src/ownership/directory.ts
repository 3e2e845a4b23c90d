/**
 * Which node hosts which agent, merged from every owner's claims. Two owners may claim one agent for a
 * while: the higher epoch wins, then the higher node id, everywhere alike. Knowledge, not authority.
 */
import type { AgentName, NodeId } from "../base/ids.ts";
import type { AgentClaim, DirectoryChange, DirectoryChunk, DirectoryHead } from "../wire/gossip-directory.ts";
import { OwnerClaims } from "./owner-claims.ts";

export interface Located extends AgentClaim {
  readonly agent: AgentName;
  readonly node: NodeId;
}

export interface DirectoryDifference {
  readonly changed: readonly Located[];
  /** As they were last. */
  readonly removed: readonly Located[];
}

export class Directory {
  readonly #owners = new Map<NodeId, OwnerClaims>();
  /** Owners with a claim on an agent: nearly always one. */
  readonly #claimants = new Map<AgentName, readonly NodeId[]>();
  readonly #absent = new Set<NodeId>();
  /** Winners as they were told last, of agents that may have changed since. */
  readonly #before = new Map<AgentName, Located | undefined>();
  /** Agents whose place in `#claimants` must be looked at again. */
  #touched: AgentName[] = [];

  head(owner: NodeId): DirectoryHead | undefined {
    return this.#owners.get(owner)?.head;
  }

  heads(): { readonly owner: NodeId; readonly head: DirectoryHead }[] {
    return [...this.#owners.values()].map(({ owner, head }) => ({ owner, head }));
  }

  /** The owner's own changes, numbered; those that change nothing are left out. */
  announce(
    owner: NodeId,
    boot: number,
    changed: readonly (AgentClaim & { readonly agent: AgentName })[],
    removed: readonly AgentName[],
  ): DirectoryChange[] {
    const claims = this.#claimsOf(owner, boot);
    const changes: DirectoryChange[] = [];
    const next = (agent: AgentName, claim: AgentClaim | null): void => {
      const change = claims?.next(agent, claim);
      if (change) changes.push(change);
    };
    for (const { agent, epoch, revision, status, module } of changed)
      next(agent, { epoch, revision, status, module });
    for (const agent of removed) next(agent, null);
    this.#reindex(owner);
    return changes;
  }

  /** True when it was news. */
  take(owner: NodeId, boot: number, change: DirectoryChange): boolean {
    const isNews = this.#claimsOf(owner, boot)?.take(change) ?? false;
    this.#reindex(owner);
    return isNews;
  }

  /** False when it leaves a gap or is of an older life: nothing changed. */
  takeChunk(chunk: DirectoryChunk): boolean {
    const claims = this.#claimsOf(chunk.owner, chunk.boot);
    const fits = claims?.takeChunk(chunk) ?? false;
    this.#reindex(chunk.owner);
    return fits;
  }

  chunksSince(owner: NodeId, boot: number, since: number, limit: number): DirectoryChunk[] {
    const claims = this.#owners.get(owner);
    if (!claims || boot > claims.boot) return [];
    return claims.chunksSince(claims.boot === boot ? since : 0, limit);
  }

  /** Changes ahead of a gap: with `chunksSince` they are all that is known of an owner. */
  earlyChanges(owner: NodeId): DirectoryChange[] {
    return this.#owners.get(owner)?.earlyChanges() ?? [];
  }

  /** How `head` compares to what is known: `behind` asks for a delta, `contradicts` for a fresh start. */
  compare(owner: NodeId, head: DirectoryHead): "same" | "behind" | "ahead" | "contradicts" {
    const claims = this.#owners.get(owner);
    if (!claims || claims.boot < head.boot) return head.complete > 0 || claims ? "behind" : "same";
    if (claims.boot > head.boot) return "ahead";
    const { complete } = claims.head;
    if (complete !== head.complete) return complete < head.complete ? "behind" : "ahead";
    // The rest is on its way; or its owner never said it.
    if (claims.hasEarly) return "ahead";
    return claims.contradicts(head) ? "contradicts" : "same";
  }

  /** A new life of an owner without any claim yet: those of the old one end. */
  begin(owner: NodeId, boot: number): void {
    this.#claimsOf(owner, boot);
  }

  /** Drops all that is known of an owner: forgotten by the membership, or found to be false. */
  forget(owner: NodeId): void {
    const claims = this.#owners.get(owner);
    this.#owners.delete(owner);
    this.#absent.delete(owner);
    for (const agent of claims?.agents() ?? []) this.#remember(agent, claims);
    for (const agent of claims?.agents() ?? []) this.#unindex(owner, agent);
  }

  /** The claims of an owner that has left do not count, until it is back. */
  setAbsent(owner: NodeId, absent: boolean): void {
    if (this.#absent.has(owner) === absent) return;
    for (const agent of this.#owners.get(owner)?.agents() ?? []) this.#remember(agent);
    if (absent) this.#absent.add(owner);
    else this.#absent.delete(owner);
  }

  locate(agent: AgentName): Located | undefined {
    return this.#locate(agent);
  }

  *entries(): IterableIterator<Located> {
    for (const agent of this.#claimants.keys()) {
      const entry = this.#locate(agent);
      if (entry) yield entry;
    }
  }

  /** What changed for the rest of the node since the last call, or null. */
  takeDifference(): DirectoryDifference | null {
    if (this.#before.size === 0) return null;
    const changed: Located[] = [];
    const removed: Located[] = [];
    for (const [agent, before] of this.#before) {
      const after = this.#locate(agent);
      if (after && !(before && sameEntry(before, after))) changed.push(after);
      if (before && !after) removed.push(before);
    }
    this.#before.clear();
    return changed.length + removed.length > 0 ? { changed, removed } : null;
  }

  /** The claims of this life of the owner; a newer life replaces the older one's, an older gets undefined. */
  #claimsOf(owner: NodeId, boot: number): OwnerClaims | undefined {
    const known = this.#owners.get(owner);
    if (known && known.boot >= boot) return known.boot === boot ? known : undefined;
    for (const agent of known?.agents() ?? []) this.#remember(agent);
    const agents = [...(known?.agents() ?? [])];
    const claims = new OwnerClaims(owner, boot, (agent) => {
      this.#remember(agent);
      this.#touched.push(agent);
    });
    this.#owners.set(owner, claims);
    for (const agent of agents) this.#unindex(owner, agent);
    return claims;
  }

  #locate(agent: AgentName, extra?: OwnerClaims): Located | undefined {
    let winner: Located | undefined;
    for (const node of this.#claimants.get(agent) ?? []) {
      const claims = extra?.owner === node ? extra : this.#owners.get(node);
      const claim = this.#absent.has(node) ? undefined : claims?.get(agent);
      if (!claim) continue;
      const better =
        !winner || claim.epoch > winner.epoch || (claim.epoch === winner.epoch && node > winner.node);
      if (better) winner = { agent, node, ...claim };
    }
    return winner;
  }

  #remember(agent: AgentName, extra?: OwnerClaims): void {
    if (!this.#before.has(agent)) this.#before.set(agent, this.#locate(agent, extra));
  }

  #reindex(owner: NodeId): void {
    for (const agent of this.#touched) {
      if (this.#owners.get(owner)?.get(agent) === undefined) {
        this.#unindex(owner, agent);
        continue;
      }
      const claimants = this.#claimants.get(agent) ?? [];
      if (!claimants.includes(owner)) this.#claimants.set(agent, [...claimants, owner]);
    }
    this.#touched = [];
  }

  #unindex(owner: NodeId, agent: AgentName): void {
    const rest = (this.#claimants.get(agent) ?? []).filter((node) => node !== owner);
    if (rest.length > 0) this.#claimants.set(agent, rest);
    else this.#claimants.delete(agent);
  }
}

function sameEntry(a: Located, b: Located): boolean {
  return (
    a.node === b.node &&
    a.epoch === b.epoch &&
    a.revision === b.revision &&
    a.status === b.status &&
    a.module === b.module
  );
}
