/** Rows as aligned columns, the way the documents print them: upper-case titles, four spaces between. */

const gap = 4;

/** `columns` are the titles; each row has as many cells. No trailing spaces, no trailing newline. */
export function renderTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((title, column) =>
    Math.max(width(title), ...rows.map((row) => width(row[column] ?? ""))),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell + " ".repeat((widths[column] as number) - width(cell) + gap))
      .join("")
      .trimEnd();
  return [columns, ...rows].map((cells) => line(cells.map(printable))).join("\n");
}

/** Control characters of what others wrote must not reach the terminal. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function width(text: string): number {
  return Array.from(printable(text)).length;
}
