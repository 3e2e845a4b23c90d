/** Queries about the state itself: its hash, marks of it, and walks through its sections. */
import { CaxtonError, reasonOf } from "../base/errors.ts";
import type { Database } from "../ports/database.ts";
import { quickCheckLimit_bytes } from "../store/limits.ts";
import { checkIntegrity } from "../store/migrator.ts";
import { controlQueries } from "../wire/control-kinds.ts";
import {
  type ControlHash,
  encodeControlHash,
  encodeRowDigests,
  encodeSectionCheck,
  readSectionWalk,
} from "../wire/control-hash.ts";
import { encodeUtf8, type Reader } from "../wire/cursor.ts";
import { checkSection, walkSection } from "./control-hash.ts";
import { readMark, unknownSection } from "./control-tables.ts";
import { type Query, defineQuery } from "./feature.ts";
import type { Section } from "./section.ts";

/** What is wrong with the structure of the file; null where nothing is, or where it is too large to be read at once. */
function fileDamage(database: Database): string | null {
  const row = database
    .prepare("SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()")
    .get();
  if (Number(row?.["size"]) > quickCheckLimit_bytes) return null;
  try {
    checkIntegrity(database, "control.db");
    return null;
  } catch (thrown) {
    return reasonOf(thrown);
  }
}

export function hashQueries(
  database: Database,
  now: {
    readonly hash: () => ControlHash;
    /** With everything written to their tables that is kept in memory. */
    readonly sections: () => readonly Section[];
  },
): readonly Query[] {
  const { hash, sections } = now;
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
      run: () => encodeControlHash(hash()),
    }),
    defineQuery({
      kind: controlQueries.fileCheck,
      name: "file.check",
      read: () => null,
      run: () => encodeUtf8(fileDamage(database) ?? ""),
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
