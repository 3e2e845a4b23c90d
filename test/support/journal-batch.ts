/** Records as a client encodes them for one append. */
import { Writer } from "../../src/wire/cursor.ts";
import { writeJournalRecord } from "../../src/wire/journal-codec.ts";
import type { JournalRecord } from "../../src/wire/journal-record.ts";
import type { JournalBatch } from "../../src/store/journal.ts";

export function journalBatch(records: readonly JournalRecord[]): JournalBatch {
  const writer = new Writer();
  for (const record of records) writeJournalRecord(writer, record);
  return { bytes: writer.finish(), records: records.length };
}
