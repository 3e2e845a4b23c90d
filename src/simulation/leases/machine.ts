/**
 * The replicated state of the simulated worlds of leases: which life of each node is registered, and who owns each
 * agent. A move counts only in the term in which it was permitted. In memory, and kept by a crash; it is never
 * compacted, so there are no snapshots.
 */
import { termSetting } from "../../cluster/leases/registered-terms.ts";
import { CaxtonError } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { CommittedEntry, LogPosition, ReplicatedState } from "../../control/replicated-state.ts";
import { decodeControlQuery } from "../../wire/control-command.ts";
import { controlQueries } from "../../wire/control-kinds.ts";
import { encodeSettings } from "../../wire/control-setting.ts";
import { encodeNodeRecords } from "../../wire/control-node.ts";

export type LeaseCommand =
  | { readonly kind: "node"; readonly id: NodeId; readonly boot: number }
  | {
      readonly kind: "move";
      readonly agent: string;
      readonly from: NodeId;
      readonly to: NodeId;
      /** Of the permission. */
      readonly term: number;
    };

const none = new Uint8Array();

export function encodeLeaseCommand(command: LeaseCommand): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(command));
}

export class LeaseMachine implements ReplicatedState {
  applied: LogPosition = { index: 0, term: 0 };
  configuration: { readonly index: number; readonly data: Uint8Array } | null = null;
  readonly halted = null;
  readonly watched = 0;
  readonly uncommitted = false;
  readonly owners = new Map<string, NodeId>();
  readonly boots = new Map<NodeId, number>();
  /** Told of each move that took place. */
  moved: (agent: string, to: NodeId) => void = () => undefined;

  /** `terms_ms`: of the nodes' leases, which never change. */
  constructor(
    owners: ReadonlyMap<string, NodeId>,
    private readonly terms_ms: ReadonlyMap<NodeId, number>,
  ) {
    this.owners = new Map(owners);
  }

  get settled(): number {
    return this.applied.index;
  }

  get hash(): ReplicatedState["hash"] {
    return { index: this.applied.index, root: "", sections: [] };
  }

  stamp(command: Uint8Array): Uint8Array {
    return command;
  }

  apply(entries: readonly CommittedEntry[]): readonly Uint8Array[] {
    for (const { index, term, kind, data } of entries) {
      this.applied = { index, term };
      if (kind === "configuration") this.configuration = { index, data };
      if (kind === "command") this.#take(JSON.parse(new TextDecoder().decode(data)) as LeaseCommand, term);
    }
    return entries.map(() => none);
  }

  commit(): void {
    // In memory.
  }

  settle(): number {
    return this.settled;
  }

  query(query: Uint8Array): Uint8Array {
    const { kind } = decodeControlQuery(query);
    if (kind === controlQueries.settings) {
      const terms = [...this.terms_ms].map(
        ([node, term_ms]) => [termSetting(node), String(term_ms)] as const,
      );
      return encodeSettings(terms.map(([name, value]) => ({ name, value, version: 1 })));
    }
    if (kind !== controlQueries.nodes)
      throw new CaxtonError("invalid_argument", `Query ${kind} is not known here`);
    const place = { role: "voter", region: "", zone: "", level: 1, removed: false } as const;
    return encodeNodeRecords([...this.boots].map(([id, bootEpoch]) => ({ id, bootEpoch, ...place })));
  }

  exportSnapshot(): never {
    throw new CaxtonError("internal", "Worlds of leases compact no log");
  }

  importSnapshot(): never {
    throw new CaxtonError("internal", "Worlds of leases compact no log");
  }

  close(): void {
    // In memory.
  }

  #take(command: LeaseCommand, term: number): void {
    if (command.kind === "node") {
      this.boots.set(command.id, Math.max(command.boot, this.boots.get(command.id) ?? 0));
      return;
    }
    const { agent, from, to } = command;
    if (command.term !== term || this.owners.get(agent) !== from) return;
    this.owners.set(agent, to);
    this.moved(agent, to);
  }
}
