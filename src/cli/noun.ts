/** A noun and its verbs. */
import { buildRouteMap } from "@stricli/core";
import type { RouteMap } from "@stricli/core";
import type { CliContext } from "./command.ts";

export function noun(
  brief: string,
  routes: Parameters<typeof buildRouteMap<string, CliContext>>[0]["routes"],
  hidden: readonly string[] = [],
): RouteMap<CliContext> {
  const hideRoute = Object.fromEntries(hidden.map((name) => [name, true]));
  return buildRouteMap<string, CliContext>({ routes, docs: { brief, hideRoute } });
}
