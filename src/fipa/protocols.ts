/** The protocols that are enforced. A message that names another one, or none, is free. */
import { fipaContractNet } from "./fipa-contract-net.ts";
import { fipaPropose } from "./fipa-propose.ts";
import { fipaQuery } from "./fipa-query.ts";
import { fipaRequest } from "./fipa-request.ts";
import { fipaSubscribe } from "./fipa-subscribe.ts";
import type { ProtocolRules } from "./protocol-rules.ts";

export const protocols: readonly ProtocolRules[] = [
  fipaRequest,
  fipaQuery,
  fipaContractNet,
  fipaSubscribe,
  fipaPropose,
];

const byName: ReadonlyMap<string, ProtocolRules> = new Map(protocols.map((rules) => [rules.name, rules]));

export function protocolNamed(name: string): ProtocolRules | undefined {
  return byName.get(name);
}
