/** How a file that somebody named is shown when it cannot be used. */
import { isAbsolute, resolve } from "node:path";
import { quote } from "../base/ids.ts";

/** As it was typed, and where that is: a relative path may have been meant from another folder. */
export function pathText(file: string): string {
  return isAbsolute(file) ? quote(file) : `${quote(file)} (${resolve(file)})`;
}
