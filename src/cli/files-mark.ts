/** Ends a proposal of a completion that stands for "the shell's own files". No name and no choice has such an end. */
export const filesMark = ":files";

export function proposeFiles(partial: string): readonly string[] {
  return [partial + filesMark];
}
