/** Queries about the state itself: its hash, marks of it, and walks through its sections. */
import { CaxtonError } from "../base/errors.ts";
import type { Database } from "../ports/database.ts";
import { controlQueries } from "../wire/control-kinds.ts";
import {
  type ControlHash,
  encodeControlHash,
  encodeRowDigests,
  encodeSectionCheck,
  readSectionWalk,
} from "../wire/control-hash.ts";
import type { Reader } from "../wire/cursor.ts";
import { checkSection, walkSection } from "./control-hash.ts";
import { readMark, unknownSection } from "./control-tables.ts";
import { type Query, defineQuery } from "./feature.ts";
import type { Section } from "./section.ts";

export function hashQueries(
  database: Database,
  now: () => ControlHash,
  /** With everything written to their tables that is kept in memory. */
  sections: () => readonly Section[],
): readonly Query[] {
  const named = (name: string): Section => {
    const section = sections().find(({ definition }) => definition.name === name);
    if (section === undefined) throw unknownSection(name);
    return section;
  };
  return [
    defineQuery({
      kind: controlQueries.hash,
      name: "hash",
      read: () => null,
      run: () => encodeControlHash(now()),
    }),
    defineQuery({
      kind: controlQueries.mark,
      name: "mark",
      read: (reader: Reader) => reader.u64(),
      run: (_, index) => {
        const found = readMark(database, index);
        if (found !== undefined) return found;
        throw new CaxtonError("not_found", `The state was not marked here at index ${index}`);
      },
    }),
    defineQuery({
      kind: controlQueries.sectionWalk,
      name: "section.walk",
      read: readSectionWalk,
      run: (_, walk) => encodeRowDigests(walkSection(named(walk.section), walk)),
    }),
    defineQuery({
      kind: controlQueries.sectionCheck,
      name: "section.check",
      read: readSectionWalk,
      run: (_, walk) => encodeSectionCheck(checkSection(named(walk.section), walk)),
    }),
  ];
}
