/** A moment as ISO 8601 text, made once a millisecond: at thousands of answers a second most ask for the same. */

export class TimeText {
  #at_ms = Number.NaN;
  #text = "";

  of(at_ms: number): string {
    if (at_ms !== this.#at_ms) {
      this.#at_ms = at_ms;
      this.#text = new Date(at_ms).toISOString();
    }
    return this.#text;
  }
}
