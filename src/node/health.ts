/** Whether this node lives and serves, asked of its own parts. */
import type { Health, HealthService } from "../api/services.ts";
import type { Consensus } from "../cluster/consensus.ts";
import type { Network } from "./network.ts";
import type { Foundation } from "./foundation.ts";
import type { Work } from "./work.ts";

/** A part that does not answer within this is unwell. */
const answer_ms = 2_000;

export interface HealthParts {
  readonly foundation: Foundation;
  readonly network: Network;
  readonly work: Work;
  readonly consensus: Pick<Consensus, "status">;
  readonly restored: () => boolean;
  readonly stopping: () => boolean;
}

export function nodeHealth(parts: HealthParts): HealthService {
  return {
    live: async () => {
      const checks = await Promise.all([
        answers("store", () => parts.foundation.store.client.stats()),
        answers("gossip", () => parts.network.membership.stats()),
        answers("agents", () => parts.work.threads.stats()),
      ]);
      return { ok: checks.every(({ ok }) => ok), checks };
    },
    ready: () => {
      const joined = parts.network.uuid() !== null;
      const required: Health["checks"] = [
        {
          name: "joined",
          ok: joined,
          detail: joined ? "in the cluster" : "waiting for a seed to let this node in",
        },
        {
          name: "agents",
          ok: parts.restored(),
          detail: parts.restored() ? "restored" : "agents are being brought back",
        },
        {
          name: "serving",
          ok: !parts.stopping(),
          detail: parts.stopping() ? "this node is leaving" : "takes requests",
        },
      ];
      // Told, not demanded: agents, messages and local reads go on without a quorum.
      const checks = [...required, quorumCheck(parts.consensus)];
      return Promise.resolve({ ok: required.every(({ ok }) => ok), checks });
    },
  };
}

function quorumCheck(consensus: HealthParts["consensus"]): Health["checks"][number] {
  const { quorum, leader, term, votersReached, voters, trouble } = consensus.status();
  const reached = `${votersReached} of ${voters} voters in reach`;
  const lead = leader === null ? "no leader" : `${leader} leads in term ${term}`;
  return { name: "quorum", ok: quorum && trouble === null, detail: trouble ?? `${lead}, ${reached}` };
}

async function answers(name: string, ask: () => Promise<unknown>): Promise<Health["checks"][number]> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${answer_ms} ms`), answer_ms);
  });
  const answer = ask().then(
    () => "",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  const trouble = await Promise.race([answer, silence]);
  clearTimeout(timer);
  return { name, ok: trouble === "", detail: trouble === "" ? "answers" : trouble };
}
