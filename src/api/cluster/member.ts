/** A member as the API shows it: what this node knows of it, which may be late. */
import * as v from "valibot";
import type { Member } from "../../cluster/membership.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import { timeSchema } from "../http/fields.ts";

export const memberSchema = v.object({
  id: v.string(),
  status: v.picklist(["alive", "suspect", "failed", "left"]),
  address: v.string(),
  /** Its API's URL; empty when it listens on loopback only. */
  api: v.string(),
  region: v.string(),
  zone: v.string(),
  version: v.string(),
  services: v.array(v.string()),
  weight: v.number(),
  agents: v.number(),
  max_agents: v.number(),
  cpu_percent: v.number(),
  memory_bytes: v.number(),
  memory_percent: v.number(),
  boot_epoch: v.number(),
  incarnation: v.number(),
  last_seen: timeSchema,
});
export type MemberView = v.InferOutput<typeof memberSchema>;

/** A member is replaced when it changes, so that what was made of it once stays true. */
const texts = new WeakMap<Member, string>();

/** As a list is replaced when a member of it changes. */
const lists = new WeakMap<readonly Member[], string>();

/** `memberView` of each as JSON, with commas between. */
export function memberTexts(members: readonly Member[]): string {
  let text = lists.get(members);
  if (text === undefined) {
    text = members.map(memberText).join(",");
    lists.set(members, text);
  }
  return text;
}

function memberText(member: Member): string {
  let text = texts.get(member);
  if (text === undefined) {
    text = JSON.stringify(memberView(member));
    texts.set(member, text);
  }
  return text;
}

/** As it said last; one that has left has none, whatever it said before it gave them away. */
function agentsAt({ status, load }: Member): number {
  return status === "left" ? 0 : load.agents;
}

export function memberView(member: Member): MemberView {
  const { tags, load } = member;
  return {
    id: member.id,
    status: member.status,
    address: formatAddress(member.address),
    api: tags.api,
    region: tags.region,
    zone: tags.zone,
    version: tags.version,
    services: [...tags.services],
    weight: tags.weight,
    agents: agentsAt(member),
    max_agents: tags.maxAgents,
    cpu_percent: load.cpu_percent,
    memory_bytes: load.memory_bytes,
    memory_percent: load.memory_percent,
    boot_epoch: member.bootEpoch,
    incarnation: member.incarnation,
    last_seen: new Date(member.lastSeen_ms).toISOString(),
  };
}
