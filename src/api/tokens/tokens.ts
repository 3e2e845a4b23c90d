/** `/api/v1/tokens`: tokens of a role, for people and programs other than the administrator of a node. */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import { namePattern, nameRule } from "../../base/ids.ts";
import { roles } from "../../security/roles.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { durationField, timeSchema } from "../http/fields.ts";

/** As long as an administrator's own. */
const lifetime_ms_max = 30 * 24 * 3_600_000;
const lifetime_ms_min = 60_000;

const tokenBody = v.strictObject({
  role: v.picklist(roles, `not one of ${roles.join(", ")}`),
  /** Whom it is for: its name in the log, and its address among agents. Made from the role and chance unless given. */
  subject: v.optional(v.pipe(v.string(), v.regex(namePattern, `not ${nameRule}`))),
  /** `24h`; from a minute to thirty days. */
  expires_in: v.optional(durationField(lifetime_ms_min, lifetime_ms_max), "24h"),
});

export const tokenAnswer = v.object({
  token: v.string(),
  /** Its `jti`, by which the log names it. */
  id: v.string(),
  subject: v.string(),
  role: v.picklist(roles),
  expires_at: timeSchema,
});
export type TokenAnswer = v.InferOutput<typeof tokenAnswer>;

export function addTokens(api: ApiRoutes): void {
  const { tokens } = api.services;
  api.add(
    "post",
    "/api/v1/tokens",
    {
      tag: "security",
      summary: "Issue a token of a role",
      description:
        "Good at every node of the cluster until it expires; it cannot be taken back before. " +
        "One of the role admin ends no later than the token it is asked with.",
      body: tokenBody,
      answer: tokenAnswer,
      status: 201,
    },
    async ({ body: { role, subject, expires_in } }, c) => {
      const by = c.var.request.principal;
      if (by === null) throw new CaxtonError("unauthenticated", "This needs a token");
      const { token, id, ...issued } = await tokens.issue({
        role,
        lifetime_ms: expires_in,
        by,
        ...(subject === undefined ? {} : { subject }),
      });
      const expires_at = new Date(issued.expiresAt_ms).toISOString();
      return { token, id, subject: issued.subject, role: issued.role, expires_at };
    },
  );
}
