/** A noun and its verbs. */
import { buildRouteMap } from "@stricli/core";
import type { RouteMap } from "@stricli/core";
import type { CliContext } from "./command.ts";
import { mapHelp } from "./help.ts";

export function noun(
  brief: string,
  routes: Parameters<typeof buildRouteMap<string, CliContext>>[0]["routes"],
  hidden: readonly string[] = [],
): RouteMap<CliContext> {
  const hideRoute = Object.fromEntries(hidden.map((name) => [name, true]));
  return mapHelp(buildRouteMap<string, CliContext>({ routes, docs: { brief, hideRoute } }), false);
}
