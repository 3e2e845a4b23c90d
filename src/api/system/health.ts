/** `/livez`, `/readyz`, `/healthz` (both) and `/api/v1/version`. */
import * as v from "valibot";
import type { ApiRoutes } from "../http/endpoint.ts";
import type { Health } from "../services.ts";

export const healthAnswer = v.object({
  status: v.picklist(["ok", "failing"]),
  node: v.string(),
  checks: v.array(v.object({ name: v.string(), ok: v.boolean(), detail: v.string() })),
});
export type HealthAnswer = v.InferOutput<typeof healthAnswer>;

export const versionAnswer = v.object({ version: v.string(), node: v.string(), api: v.literal("v1") });
export type VersionAnswer = v.InferOutput<typeof versionAnswer>;

/** A check that does not answer within this is a check that fails. */
const check_ms_max = 5_000;

export function addHealth(api: ApiRoutes): void {
  const { health, node, version } = api.services;
  const routes: readonly (readonly [string, string, () => Promise<Health>])[] = [
    ["/livez", "Is the process alive", () => health.live()],
    ["/readyz", "May it be given work", () => health.ready()],
    ["/healthz", "Both", () => both(health.live(), health.ready())],
  ];
  for (const [path, summary, check] of routes) {
    api.add(
      "get",
      path,
      { tag: "system", summary, answer: healthAnswer, timeout_ms: check_ms_max },
      async () => {
        const { ok, checks } = await check();
        const answer: HealthAnswer = { status: ok ? "ok" : "failing", node, checks: [...checks] };
        return new Response(JSON.stringify(answer), {
          status: ok ? 200 : 503,
          headers: { "content-type": "application/json" },
        });
      },
    );
  }
  api.add(
    "get",
    "/api/v1/version",
    { tag: "system", summary: "What runs here", answer: versionAnswer },
    () => ({
      version,
      node,
      api: "v1" as const,
    }),
  );
}

async function both(live: Promise<Health>, ready: Promise<Health>): Promise<Health> {
  const [a, b] = await Promise.all([live, ready]);
  return { ok: a.ok && b.ok, checks: [...a.checks, ...b.checks] };
}
