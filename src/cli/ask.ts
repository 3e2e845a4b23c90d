/** A question on a terminal before something that cannot be undone. */
import { confirm } from "@clack/prompts";
import { CaxtonError } from "../base/errors.ts";

/** Throws unless the answer is yes. */
export async function ask(question: string): Promise<void> {
  const answer = await confirm({ message: question, initialValue: false });
  if (answer !== true)
    throw new CaxtonError("conflict", "Nothing was done: not confirmed; --yes skips the question");
}
