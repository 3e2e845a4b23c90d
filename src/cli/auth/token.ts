/** `caxton auth token --role viewer`: a token for somebody else; prints the token alone, so that it can be piped. */
import { formatDuration } from "../../base/durations.ts";
import { namePattern, nameRule, quote } from "../../base/ids.ts";
import { CaxtonError } from "../../base/errors.ts";
import { type Role, roles } from "../../security/roles.ts";
import { command } from "../command.ts";
import { choices, duration } from "../parse.ts";

/** The API's own limits. */
const lifetime_ms_min = 60_000;
const lifetime_ms_max = 30 * 24 * 3_600_000;

interface Flags {
  readonly role: Role;
  readonly subject?: string;
  readonly expiresIn: number;
}

export const token = command<Flags>({
  brief: "Issue a token of a role, for somebody who is not the node's administrator",
  description:
    "A viewer looks at nodes, agents and events; a developer also deploys, sends messages, and uses keys, locks and logs; an " +
    "operator runs the cluster and the agents, and changes neither code nor keys; an admin may do everything. It is good at " +
    "every node until it expires, and cannot be taken back before: keep it short.",
  examples: [
    "caxton auth token --role viewer",
    "caxton auth token --role developer --subject alice --expires-in 8h",
  ],
  parameters: {
    flags: {
      role: { kind: "parsed", ...choices(roles), placeholder: "ROLE", brief: roles.join(", ") },
      subject: {
        kind: "parsed",
        parse: subjectText,
        optional: true,
        placeholder: "NAME",
        brief: "Whom it is for, as the log names them [default the role and a number]",
      },
      expiresIn: {
        kind: "parsed",
        parse: duration(lifetime_ms_min, lifetime_ms_max),
        default: "24h",
        placeholder: "D",
        brief: "How long it is good, 30d at most",
      },
    },
  },
  run: async (call, { role, subject, expiresIn }) => {
    const client = await call.client();
    const answer = await client.tokens.issue({ role, subject, expires_in: formatDuration(expiresIn) });
    call.output.lines([answer.token], answer);
    if (call.output.format === "json") return;
    call.output.notice(
      `For ${answer.subject} (${answer.role}), until ${answer.expires_at}: caxton --token, or CAXTON_TOKEN`,
    );
  },
});

function subjectText(input: string): string {
  if (namePattern.test(input)) return input;
  throw new CaxtonError("invalid_argument", `${quote(input)} is not ${nameRule}`);
}
