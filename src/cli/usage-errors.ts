/** What the command line was wrong about, as one line in our own words. */
import { formatMessageForArgumentScannerError, ArgumentScannerError } from "@stricli/core";
import { nearest } from "../base/nearest.ts";
import { globalFlags } from "./global-flags.ts";
import { kebab } from "./help.ts";
import { quote } from "../base/ids.ts";
import { reasonOf } from "../base/errors.ts";
import { failureText } from "./failure.ts";

export const usageText = {
  noCommandRegisteredForInput: ({
    input,
    corrections,
  }: {
    readonly input: string;
    readonly corrections: readonly string[];
  }): string => `error: there is no command ${quote(input)}${suggestion(corrections)}; see caxton --help`,
  exceptionWhileParsingArguments: (error: unknown): string => {
    if (!(error instanceof ArgumentScannerError)) return failureText(error);
    const text = formatMessageForArgumentScannerError(error, {
      FlagNotFoundError: ({ input, corrections }) =>
        `there is no flag --${input}${suggestion(flagsNear(input, corrections), "--")}`,
      AliasNotFoundError: ({ input }) => `there is no flag -${input}`,
      ArgumentParseError: ({ externalFlagNameOrPlaceholder: name, exception }) =>
        `${/^[a-z]/.test(name) ? `--${name}` : name}: ${reasonOf(exception)}`,
      UnsatisfiedFlagError: ({ externalFlagName }) => `--${externalFlagName} is needed, with a value`,
      UnsatisfiedPositionalError: ({ placeholder }) => `${placeholder} is needed`,
      UnexpectedPositionalError: ({ input }) => `${quote(input)} is one argument too many`,
      UnexpectedFlagError: ({ externalFlagName, previousInput }) =>
        `--${externalFlagName} is given twice, or needs a value after ${quote(previousInput)}`,
    });
    return `error: ${text}`;
  },
  exceptionWhileLoadingCommandFunction: failureText,
  exceptionWhileLoadingCommandContext: failureText,
};

/** The same, each text put into another form. */
export function usageTextAs(form: (text: string) => string): typeof usageText {
  return {
    noCommandRegisteredForInput: (args) => form(usageText.noCommandRegisteredForInput(args)),
    exceptionWhileParsingArguments: (error) => form(usageText.exceptionWhileParsingArguments(error)),
    exceptionWhileLoadingCommandFunction: (error) => form(failureText(error)),
    exceptionWhileLoadingCommandContext: (error) => form(failureText(error)),
  };
}

/** The library's corrections come in backticks, and flags at times as the code names them: nodeId. */
function suggestion(corrections: readonly string[], before = ""): string {
  const words = corrections.map((word) => before + kebab(word.replaceAll("`", "").replace(/^--/, "")));
  return words.length === 0 ? "" : `; did you mean ${words.join(" or ")}?`;
}

/** The library takes for near what is three letters away of four; and it knows flags that are typed otherwise. */
function flagsNear(input: string, corrections: readonly string[]): string[] {
  const near = corrections.filter((word) => nearest(input, [kebab(word)]) !== undefined);
  return near.map((word) =>
    (globalFlags as Record<string, { default?: unknown }>)[word]?.default === true ? `no-${word}` : word,
  );
}
