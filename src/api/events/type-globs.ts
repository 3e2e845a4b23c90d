/** `?types=member.*,agent.trap`: which event types a reader wants. `*` stands for any characters. */
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";

const globs_max = 20;
const globPattern = /^[a-z0-9_.*]{1,64}$/;

/** A test of an event's type. Nothing named means all. */
export function typeFilter(text: string | undefined): (type: string) => boolean {
  if (text === undefined) return () => true;
  const globs = text.split(",").map((glob) => glob.trim());
  if (globs.length > globs_max)
    throw new CaxtonError("invalid_argument", `More than ${globs_max} event types`);
  for (const glob of globs) {
    if (!globPattern.test(glob))
      throw new CaxtonError(
        "invalid_argument",
        `Event type ${quote(glob)} is not like member.* or agent.trap`,
      );
  }
  return (type) => globs.some((glob) => matches(glob, type));
}

/** Linear: each piece between stars is looked for after the one before, the first and last at the ends. */
function matches(glob: string, type: string): boolean {
  const pieces = glob.split("*");
  const [first, last] = [pieces[0] as string, pieces.at(-1)];
  if (pieces.length === 1) return glob === type;
  if (!type.startsWith(first) || !type.endsWith(last) || type.length < first.length + last.length)
    return false;
  let at = first.length;
  const end = type.length - last.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = type.indexOf(piece, at);
    if (found === -1 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}
