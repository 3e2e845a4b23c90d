/** The commands as one program with our own words for what goes wrong. */
import { buildApplication, buildRouteMap, text_en } from "@stricli/core";
import type { Application, RouteMap } from "@stricli/core";
import type { CliContext } from "./command.ts";
import { exitCodeOf, failureText } from "./failure.ts";
import { usageText } from "./usage-errors.ts";

/**
 * All commands; of `server` only its own, because `server start` stays in memory for as long as its
 * node runs.
 */
export async function loadApplication(firstWord: string | undefined): Promise<Application<CliContext>> {
  if (firstWord !== "server") return build((await import("./routes.ts")).root);
  const { server } = await import("./server/routes.ts");
  return build(buildRouteMap<string, CliContext>({ routes: { server }, docs: { brief: "Caxton" } }));
}

function build(root: RouteMap<CliContext>): Application<CliContext> {
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
        ...usageText,
        exceptionWhileRunningCommand: (error: unknown) => failureText(error),
        commandErrorResult: (error: Error) => failureText(error),
      },
    },
    determineExitCode: exitCodeOf,
  });
}
