/** What is given to a command as `TEXT|@FILE|-`, and how what others wrote is printed. */
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { readBounded } from "../platform/node/read-bounded.ts";
import { pathText } from "./files.ts";
import { printable } from "./table.ts";

/** The text itself; a file after `@` or standard input for `-` as text where it is UTF-8, else as bytes. `what` is the content's name. */
export function givenContent(given: string, what: string, limit_bytes: number): string | Uint8Array {
  if (given !== "-" && !given.startsWith("@")) return given;
  const file = given === "-" ? 0 : given.slice(1);
  let bytes: Uint8Array;
  try {
    bytes = readBounded(file, limit_bytes);
  } catch (error) {
    const where = file === 0 ? "standard input" : pathText(given.slice(1));
    throw new CaxtonError("invalid_argument", `Cannot read the ${what} from ${where}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes;
  }
}

/** Text for a terminal: without what could paint it, and on lines of its own. */
export function terminalText(text: string): string {
  const shown = text.split("\n").map(printable).join("\n");
  return shown.endsWith("\n") ? shown : `${shown}\n`;
}
