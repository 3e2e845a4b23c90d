/** The commands as one program with our own words for what goes wrong. */
import { buildApplication, buildRouteMap, text_en } from "@stricli/core";
import type { Application, RouteMap } from "@stricli/core";
import type { CliContext } from "./command.ts";
import { exitCodeOf, failureJson, failureText, usageJson } from "./failure.ts";
import { usageText, usageTextAs } from "./usage-errors.ts";

/**
 * All commands; of `server` only its own, because `server start` stays in memory for as long as its
 * node runs.
 */
export async function loadApplication(
  firstWord: string | undefined,
  errorsAs: ErrorsAs = "text",
): Promise<Application<CliContext>> {
  if (firstWord !== "server") return build((await import("./routes.ts")).root, errorsAs);
  const { server } = await import("./server/routes.ts");
  return build(
    buildRouteMap<string, CliContext>({ routes: { server }, docs: { brief: "Caxton" } }),
    errorsAs,
  );
}

/** What goes wrong is told on standard error as lines for people, or as one problem document. */
export type ErrorsAs = "text" | "json";

function build(root: RouteMap<CliContext>, errorsAs: ErrorsAs): Application<CliContext> {
  const failed = errorsAs === "json" ? failureJson : failureText;
  const usage = errorsAs === "json" ? usageTextAs(usageJson) : usageText;
  return buildApplication(root, {
    name: "caxton",
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    documentation: {
      caseStyle: "convert-camel-to-kebab",
      useAliasInUsageLine: false,
      onlyRequiredInUsageLine: true,
    },
    localization: {
      text: {
        ...text_en,
        ...usage,
        exceptionWhileRunningCommand: failed,
        commandErrorResult: failed,
      },
    },
    determineExitCode: exitCodeOf,
  });
}
