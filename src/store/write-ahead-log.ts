/**
 * Looks at SQLite's write-ahead log as a process that was killed left it. The engine takes the first frame whose
 * checksum does not match for the end of the log: right where a crash tore the last transaction, and silent loss of
 * everything after it where a bit flipped. Where each commit is synced before the next begins, nothing can follow a
 * torn transaction. Format: sqlite.org/fileformat2.html, section 4.
 */
const header_bytes = 32;
const frameHeader_bytes = 24;
/** What a disk writes as a whole, or not at all. */
const sector_bytes = 512;
/** The last bit says in which order of bytes checksums are counted. */
const magic = 0x377f0682;

interface Sum {
  readonly a: number;
  readonly b: number;
}

interface Frame {
  /** It ends a transaction, as far as its header can be believed: one over two sectors may be half of long ago. */
  readonly commits: boolean;
  /** Written since the log was last begun. */
  readonly current: boolean;
  /** Its bytes, and all before it, are those that were written. */
  readonly sound: boolean;
  /** It was written after the frame before it, as that one says of itself. */
  readonly follows: boolean;
}

/**
 * What is damaged; null where a crash alone can have left the log so. Only for databases of which every commit is
 * durable. That the end of the file is missing does not show.
 */
export function damageOfWriteAheadLog(log: Uint8Array): string | null {
  if (log.length < header_bytes + frameHeader_bytes) return null;
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  const little = view.getUint32(0) === magic;
  const page_bytes = view.getUint32(8);
  const whole =
    (little || view.getUint32(0) === magic + 1) &&
    matches(view, 24, checksum(view, 0, 24, { a: 0, b: 0 }, little));
  // It is synced before the first frame is written.
  if (!whole || page_bytes < 512) return "the header of its write-ahead log is damaged";
  let broken = -1;
  let committed = false;
  let before: Frame | undefined;
  let number = 0;
  for (const frame of framesOf(view, page_bytes, little)) {
    // What lies where the last transaction was torn may be of long ago, and says nothing unless one of now follows it.
    if (broken >= 0 && before?.commits === true && (before.current || (frame.current && frame.follows)))
      committed = true;
    if (committed && frame.current)
      return `frame ${broken} of its write-ahead log is damaged, and transactions follow it`;
    if (!frame.sound && broken < 0) broken = number;
    before = frame;
    number++;
  }
  return null;
}

function* framesOf(view: DataView, page_bytes: number, little: boolean): Generator<Frame> {
  const [salt1, salt2] = [view.getUint32(16), view.getUint32(20)];
  let sum: Sum = { a: view.getUint32(24), b: view.getUint32(28) };
  const frame_bytes = frameHeader_bytes + page_bytes;
  let sound = true;
  for (let at = header_bytes; at + frame_bytes <= view.byteLength; at += frame_bytes) {
    const current = view.getUint32(at + 8) === salt1 && view.getUint32(at + 12) === salt2;
    sum = checksum(view, at, 8, sum, little);
    sum = checksum(view, at + frameHeader_bytes, page_bytes, sum, little);
    const follows = matches(view, at + 16, sum);
    sound &&= current && follows;
    const whole = (at % sector_bytes) + frameHeader_bytes <= sector_bytes;
    yield { commits: view.getUint32(at + 4) !== 0 && (whole || follows), current, sound, follows };
    sum = { a: view.getUint32(at + 16), b: view.getUint32(at + 20) };
  }
}

function matches(view: DataView, at: number, { a, b }: Sum): boolean {
  return view.getUint32(at) === a && view.getUint32(at + 4) === b;
}

function checksum(view: DataView, at: number, length: number, { a, b }: Sum, little: boolean): Sum {
  let [x, y] = [a, b];
  for (let i = at; i < at + length; i += 8) {
    x = (x + view.getUint32(i, little) + y) >>> 0;
    y = (y + view.getUint32(i + 4, little) + x) >>> 0;
  }
  return { a: x, b: y };
}
