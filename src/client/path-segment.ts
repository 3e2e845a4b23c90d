/** Names that users gave, as one segment of a path. */
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";

/** Throws `invalid_argument` for "." and "..", which URLs take for places (RFC 3986, section 5.2.4) even when they are escaped. */
export function pathSegment(name: string): string {
  if (name === "." || name === "..")
    throw new CaxtonError(
      "invalid_argument",
      `${quote(name)} cannot be named over HTTP: a URL takes it for a place`,
    );
  return encodeURIComponent(name);
}
