/** Whether this node lives and serves, asked of its own parts. */
import type { Health, HealthService } from "../api/services.ts";
import type { Consensus } from "../cluster/consensus/consensus.ts";
import type { Store } from "../store/store.ts";
import type { Network } from "./network.ts";
import type { Foundation } from "./foundation.ts";
import type { Work } from "./work.ts";

/** A part that does not answer within this is unwell. */
const answer_ms = 2_000;
/** More than what a nearly full disk still takes. */
const probe_bytes = 64 * 1024;
const probeKey = "health.probe";

type Check = Health["checks"][number];

export interface HealthParts {
  readonly foundation: Foundation;
  readonly network: Network;
  readonly work: Work;
  readonly consensus: Pick<Consensus, "status">;
  readonly restored: () => boolean;
  readonly stopping: () => boolean;
}

export function nodeHealth(parts: HealthParts): HealthService {
  const writable = diskCheck(parts.foundation.store.client);
  return {
    live: async () => {
      const checks = await Promise.all([
        answers("store", "answers", () => parts.foundation.store.client.stats()),
        answers("gossip", "answers", () => parts.network.membership.stats()),
        answers("agents", "answers", () => parts.work.threads.stats()),
      ]);
      return { ok: checks.every(({ ok }) => ok), checks };
    },
    ready: async () => {
      const disk = await writable();
      const outside = parts.network.waitsFor() ?? parts.network.alone();
      const required: Check[] = [
        {
          name: "joined",
          ok: outside === null,
          detail: outside === null ? "in the cluster" : `this node ${outside}`,
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
        disk,
      ];
      const { quorum, part } = consensusChecks(parts.consensus);
      required.push(part);
      // Told, not demanded: agents, messages and local reads go on without a quorum.
      const checks = [...required, quorum];
      return { ok: required.every(({ ok }) => ok), checks };
    },
  };
}

/**
 * Whether the store takes writes. While the latest one failed each question tries a small one itself, one
 * at a time, so that a disk with room again is noticed on a node that writes nothing.
 */
export function diskCheck(store: Pick<Store, "stats" | "putMeta">): () => Promise<Check> {
  let trying: Promise<void> | undefined;
  return () =>
    answers("disk", "takes writes", async () => {
      if ((await store.stats()).refusing === null) return;
      trying ??= store.putMeta(probeKey, new Uint8Array(probe_bytes)).finally(() => (trying = undefined));
      await trying;
    });
}

/** Whether the cluster can decide, and whether this node's own part in it is well: its disk, its log, its state. */
function consensusChecks(consensus: HealthParts["consensus"]): Record<"quorum" | "part", Check> {
  const { quorum, leader, term, votersReached, voters, trouble } = consensus.status();
  const reached = `${votersReached} of ${voters} voters in reach`;
  const lead = leader === null ? "no leader" : `${leader} leads in term ${term}`;
  const well = trouble === null;
  return {
    quorum: { name: "quorum", ok: quorum && well, detail: `${lead}, ${reached}` },
    part: { name: "consensus", ok: well, detail: trouble ?? "takes part" },
  };
}

async function answers(name: string, well: string, ask: () => Promise<unknown>): Promise<Check> {
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
  return { name, ok: trouble === "", detail: trouble === "" ? well : trouble };
}
