/** What commands and queries are given of the state: never a time, never a source of randomness. */
import type { ControlHead } from "./control-tables.ts";
import type { ControlContext } from "./feature.ts";
import type { Section, SectionDefinition } from "./section.ts";

/** `head` is asked at each use: it is replaced when the state is read anew. */
export function controlContext(state: {
  readonly section: (definition: SectionDefinition) => Section;
  readonly head: () => { -readonly [K in keyof ControlHead]: ControlHead[K] };
  readonly principal: () => string;
}): ControlContext {
  const { section, head, principal } = state;
  return {
    section,
    get clock_ms() {
      return head().clock_ms;
    },
    get wall_ms() {
      return head().wall_ms;
    },
    get term() {
      return head().term;
    },
    get principal() {
      return principal();
    },
    nextRevision: (above = 0) => (head().revision = Math.max(head().revision, above) + 1),
  };
}
