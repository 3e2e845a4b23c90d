/**
 * How a command is written: its words, its own flags and arguments, and what it does, on one screen.
 * The global flags, the connection and the printing come from here.
 */
import { buildCommand } from "@stricli/core";
import type { BaseArgs, Command, CommandContext, TypedCommandParameters } from "@stricli/core";
import { CaxtonError } from "../base/errors.ts";
import type { Client } from "../client/client.ts";
import type { ClientOptions } from "../client/transport.ts";
import { globalFlags } from "./global-flags.ts";
import type { GlobalFlags } from "./global-flags.ts";
import { commandHelp, usageOf } from "./help.ts";
import { Output } from "./output.ts";
import type { Writer } from "./output.ts";
import { findTarget } from "./target.ts";
import type { Target } from "./target.ts";

export interface CliContext extends CommandContext {
  readonly process: {
    readonly stdout: Writer;
    readonly stderr: Writer;
    readonly env: Readonly<Record<string, string | undefined>>;
  };
  /** The exit code of a command that did its work and has bad news; the library keeps only its own. */
  readonly outcome: { exit: number };
  /** In a completion: what was typed so far of which node is meant. */
  readonly typed?: Partial<Pick<GlobalFlags, "api" | "token" | "dataDir" | "context">>;
  /** How requests are sent; the runtime's own `fetch` unless given. */
  readonly fetch?: NonNullable<ClientOptions["fetch"]>;
}

/** One run of a command. */
export interface Call {
  readonly output: Output;
  readonly flags: GlobalFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where it would connect; reads no network. */
  target(): Target;
  /** Loaded only by commands that talk to a node. */
  client(): Promise<Client>;
  /** Before what cannot be undone: asks on a terminal unless `--yes`; elsewhere throws unless `--yes`. */
  confirm(question: string): Promise<void>;
}

/** What `F` may be: an interface of flags, which has no index signature of its own. */
type FlagsOf<F> = Readonly<Partial<Record<keyof F, unknown>>>;

interface Definition<F extends FlagsOf<F>, A extends BaseArgs> {
  readonly brief: string;
  /** One to three command lines as a user types them, for the help; a test parses each. */
  readonly examples: readonly [string, ...string[]];
  readonly description?: string;
  /** What stands behind the command's name in the help, where flags and arguments do not tell it by themselves. */
  readonly usage?: string;
  readonly parameters: TypedCommandParameters<F, A, CliContext>;
  /** The exit code, when it is not 0. */
  readonly run: (call: Call, flags: F, ...args: A) => Promise<number | void> | number | void;
}

export function command<const F extends FlagsOf<F> = Record<never, never>, const A extends BaseArgs = []>(
  definition: Definition<F, A>,
): Command<CliContext> {
  const own = definition.parameters as { readonly flags?: object; readonly aliases?: object };
  const { brief, description, examples } = definition;
  const usage = definition.usage ?? usageOf(definition.parameters);
  // Without flags and arguments the library's own line is right, and has no blank at its end.
  const customUsage = usage === "" ? {} : { customUsage: [usage] as const };
  const docs = {
    brief,
    ...customUsage,
    ...(description === undefined ? {} : { fullDescription: description }),
  };
  const build = (parameters: object): Command<CliContext> =>
    buildCommand<Record<string, unknown>, A, CliContext>({
      docs,
      parameters: parameters as never,
      async func(given, ...args) {
        const flags = given as unknown as F & GlobalFlags;
        const exit = await definition.run(openCall(this, flags), flags, ...args);
        if (typeof exit === "number") this.outcome.exit = exit;
      },
    });
  const whole = build({
    ...definition.parameters,
    flags: { ...own.flags, ...globalFlags },
    aliases: { o: "format", ...own.aliases },
  });
  // Its own words first; what every command takes is told once, and apart.
  const ownWords = build(definition.parameters);
  return {
    ...whole,
    formatHelp: (args) =>
      commandHelp(
        ownWords.formatHelp({ ...args, additionalFlags: [], includeArgumentEscapeSequenceFlag: false }),
        examples,
      ),
    formatUsageLine: ({ prefix }) => [...prefix, usage].join(" ").trimEnd(),
  };
}

function openCall(context: CliContext, flags: GlobalFlags): Call {
  const { stdout, stderr, env } = context.process;
  const target = (): Target => findTarget(flags, env);
  return {
    output: new Output(flags.format ?? flags.output ?? "table", stdout, stderr),
    flags,
    env,
    target,
    client: async () => {
      const { connect } = await import("./connect.ts");
      return connect(target(), flags.requestTimeout, context.fetch);
    },
    confirm: async (question) => {
      if (flags.yes) return;
      if (stdout.isTTY !== true || process.stdin.isTTY !== true) {
        throw new CaxtonError(
          "invalid_argument",
          `${question} Nothing was done: nobody can be asked here; --yes says so beforehand`,
        );
      }
      const { ask } = await import("./ask.ts");
      await ask(question);
    },
  };
}
