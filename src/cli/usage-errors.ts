/** What the command line was wrong about, as one line in our own words. */
import { formatMessageForArgumentScannerError, ArgumentScannerError } from "@stricli/core";
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
        `there is no flag --${input}${suggestion(corrections, "--")}`,
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

/** The library's corrections come in backticks, and flags at times as the code names them: nodeId. */
function suggestion(corrections: readonly string[], before = ""): string {
  const words = corrections.map((word) => before + kebab(word.replaceAll("`", "").replace(/^--/, "")));
  return words.length === 0 ? "" : `; did you mean ${words.join(" or ")}?`;
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
