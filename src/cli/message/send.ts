/** `caxton message send --to NAME --content TEXT`: sends a message; with `--wait` prints the reply's content. */
import type { MessageAnswer } from "../../api/messages/message.ts";
import type { SendAnswer } from "../../api/messages/send.ts";
import { formatDuration, parseDuration } from "../../base/durations.ts";
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import type { Client } from "../../client/client.ts";
import { contentLimit_bytes, deliveries, performatives } from "../../wire/message.ts";
import type { Call } from "../command.ts";
import { command } from "../command.ts";
import { givenContent, terminalText } from "../content.ts";
import { proposeAgents } from "../known-names.ts";
import { asText, choices, duration } from "../parse.ts";

const priorities = ["low", "normal", "high", "critical"] as const;
/** Replies that say no: the command fails with them. */
const refusals: readonly string[] = ["failure", "refuse", "not-understood"];

/** The API's own limit. */
const wait_ms_max = 300_000;

interface Flags {
  readonly to: string;
  readonly content: string;
  readonly performative: (typeof performatives)[number];
  readonly conversationId?: string;
  readonly replyBy?: string;
  readonly protocol?: string;
  readonly language?: string;
  readonly ontology?: string;
  readonly priority?: (typeof priorities)[number];
  readonly delivery?: (typeof deliveries)[number];
  readonly wait?: number;
  readonly idempotencyKey?: string;
}

function optional(placeholder: string, brief: string) {
  return { kind: "parsed", parse: asText, optional: true, placeholder, brief } as const;
}

export const send = command<Flags>({
  brief: "Send a message to an agent",
  examples: [
    "caxton message send --to echo --content hello --wait 5s",
    "caxton message send --to visits@node-3 --content @order.json --conversation-id order-17",
    "caxton message send --to echo --content - --performative query-ref --wait 1m",
  ],
  parameters: {
    flags: {
      to: {
        kind: "parsed",
        parse: asText,
        proposeCompletions: proposeAgents,
        placeholder: "NAME",
        brief: "The receiver",
      },
      content: {
        kind: "parsed",
        parse: asText,
        placeholder: "TEXT|@FILE|-",
        brief: "What to say; @FILE sends a file, - standard input",
      },
      performative: {
        kind: "parsed",
        ...choices(performatives),
        default: "request",
        brief: "FIPA performative",
      },
      conversationId: optional("ID", "The conversation it belongs to"),
      replyBy: {
        ...optional("TIME|30s", "When a reply is of no more use, as 30s or 2030-01-31T12:00:00Z"),
        parse: timeOrDuration,
      },
      protocol: optional("NAME", "The FIPA protocol of the conversation"),
      language: optional("NAME", "The language of the content"),
      ontology: optional("NAME", "The ontology of the content"),
      priority: { kind: "parsed", ...choices(priorities), optional: true, brief: priorities.join(", ") },
      delivery: { kind: "parsed", ...choices(deliveries), optional: true, brief: deliveries.join(", ") },
      wait: {
        kind: "parsed",
        parse: duration(0, wait_ms_max),
        optional: true,
        placeholder: "5s",
        brief: "Wait so long for a reply, as 5s",
      },
      idempotencyKey: optional("KEY", "The same key sends the same message once"),
    },
    aliases: { t: "to", c: "content" },
  },
  run: async (call, flags) => {
    const client = await call.client();
    const sent = client.messages.send(
      {
        receiver: flags.to,
        performative: flags.performative,
        ...contentOf(flags.content),
        conversation_id: flags.conversationId,
        reply_by: flags.replyBy,
        protocol: flags.protocol,
        language: flags.language,
        ontology: flags.ontology,
        priority: flags.priority,
        delivery: flags.delivery,
      },
      {
        ...(flags.wait === undefined ? {} : { wait_ms: flags.wait }),
        ...(flags.idempotencyKey === undefined ? {} : { idempotencyKey: flags.idempotencyKey }),
      },
    );
    const answer = await sent.catch(async (error: unknown) => {
      const isSilence = error instanceof CaxtonError && error.code === "timeout";
      if (isSilence && (await isSuspended(client, flags.to))) throw suspended(flags.to, error);
      throw error;
    });
    if (flags.wait === undefined) return call.output.lines(sentLines(answer), answer);
    if (answer.reply === null) {
      throw new CaxtonError(
        "timeout",
        `No reply from ${quote(flags.to)} within ${formatDuration(flags.wait)}`,
      );
    }
    if (call.output.format === "json") call.output.json(answer);
    else printContent(call, answer.reply);
    if (!refusals.includes(answer.reply.performative)) return 0;
    call.output.notice(`error: ${flags.to} answered with ${answer.reply.performative}`);
    return 1;
  },
});

/** False as well where that cannot be told: then the error stays what it was. */
async function isSuspended({ agents }: Client, to: string): Promise<boolean> {
  const [name = ""] = to.split("@");
  return await agents.show(name).then(
    ({ status }) => status === "suspended",
    () => false,
  );
}

function suspended(to: string, cause: CaxtonError): CaxtonError {
  const [name] = to.split("@");
  const text = `${quote(to)} is suspended: the message waits in its inbox until caxton agent resume ${name}`;
  return new CaxtonError("agent_suspended", text, { cause });
}

/** As it was typed, for the node to read: refused here, so that the flag is named. */
function timeOrDuration(input: string): string {
  const isTime = /^\d{4}-\d\d-\d\dT/.test(input);
  if (isTime && Number.isNaN(Date.parse(input)))
    throw new CaxtonError("invalid_argument", `${quote(input)} is not a time like 2030-01-31T12:00:00Z`);
  if (!isTime) parseDuration(input);
  return input;
}

/** Of a queued one also what happens next. */
function sentLines({ message_id, status, retry_ms }: SendAnswer): string[] {
  const sent = `Sent ${message_id} (${status})`;
  if (status !== "queued" || retry_ms === undefined) return [sent];
  const tried = `tried for ${formatDuration(retry_ms)} (messaging.retry)`;
  return [
    sent,
    `Its receiver's node cannot be reached now: ${tried}, then it is in caxton message dead-letters list`,
  ];
}

function contentOf(given: string): { readonly content: string; readonly content_encoding?: "base64" } {
  const content = givenContent(given, "content", contentLimit_bytes);
  if (typeof content === "string") return { content };
  return { content: Buffer.from(content).toString("base64"), content_encoding: "base64" };
}

/** As it is, so that it can be piped, and on a line of its own. */
function printContent({ output: { stdout } }: Call, { content, content_encoding }: MessageAnswer): void {
  if (stdout.isTTY === true) stdout.write(terminalText(content));
  else if (content_encoding === "base64") stdout.write(Buffer.from(content, "base64"));
  else stdout.write(content.endsWith("\n") ? content : `${content}\n`);
}
