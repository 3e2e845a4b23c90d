/** Whether this node lives and serves, asked of its own parts. */
import type { Health, HealthService } from "../api/services.ts";
import type { Network } from "./network.ts";
import type { Foundation } from "./foundation.ts";
import type { Work } from "./work.ts";

/** A part that does not answer within this is unwell. */
const answer_ms = 2_000;

export interface HealthParts {
  readonly foundation: Foundation;
  readonly network: Network;
  readonly work: Work;
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
      const waitsFor = parts.network.waitsFor();
      const checks: Health["checks"] = [
        {
          name: "joined",
          ok: waitsFor === null,
          detail: waitsFor === null ? "in the cluster" : `this node ${waitsFor}`,
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
      return Promise.resolve({ ok: checks.every(({ ok }) => ok), checks });
    },
  };
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
