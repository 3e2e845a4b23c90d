/**
 * For how long each node counts a lease, where that is not the usual: a setting of the cluster, written by the node before it
 * acts. From it a new leader, which was never granted anything, knows until when a node may act by what an earlier one granted.
 */
import type { NodeId } from "../../base/ids.ts";
import type { SettingStore } from "../../control/setting-store.ts";
import type { Setting } from "../../wire/control-setting.ts";

const prefix = "lease.term.";
/** Of a node that says nothing: the configuration's default. */
const usualTerm_ms = 2_000;
/** As the frames of leases have it. */
const termLimit_ms = 3_600_000;
/** Settings have other uses, too: beyond so many, those of nodes that are no members any more are forgotten. */
export const termSettings_max = 500;

export function termSetting(node: NodeId): string {
  return prefix + node;
}

/** The longest that the node counts a lease. */
export function registeredTerm_ms(settings: readonly Setting[], node: NodeId): number {
  const name = termSetting(node);
  const term_ms = Number(settings.find((setting) => setting.name === name)?.value);
  return Number.isSafeInteger(term_ms) && term_ms > 0 && term_ms <= termLimit_ms ? term_ms : usualTerm_ms;
}

export interface TermToRegister {
  readonly self: NodeId;
  readonly ttl_ms: number;
  readonly settings: Pick<SettingStore, "list" | "put" | "delete">;
  readonly isMember: (node: NodeId) => boolean;
}

/** Before this node acts. Resolves when the cluster has it. Throws as the control client, and `limit_exceeded`. */
export async function registerTerm({ self, ttl_ms, settings, isMember }: TermToRegister): Promise<void> {
  const name = termSetting(self);
  const terms = (await settings.list("linearizable")).filter((setting) => setting.name.startsWith(prefix));
  const before = terms.find((setting) => setting.name === name);
  if (registeredTerm_ms(terms, self) === Math.ceil(ttl_ms)) return;
  if (Math.ceil(ttl_ms) === usualTerm_ms) return await settings.delete(name);
  if (before === undefined && terms.length >= termSettings_max)
    for (const other of terms)
      if (!isMember(other.name.slice(prefix.length) as NodeId)) await settings.delete(other.name);
  await settings.put(name, String(Math.ceil(ttl_ms)));
}
