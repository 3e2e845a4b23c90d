/** Which counters of one sender were seen: the newest and a bitmap of the 1,024 before it (as in RFC 6479). */

export const replayWindow_packets = 1_024;

export class ReplayWindow {
  #newest = -1;
  readonly #seen = new Uint32Array(replayWindow_packets / 32);

  /** False for a counter that was taken before, or that is too old to tell. Changes nothing. */
  isFresh(counter: number): boolean {
    if (counter > this.#newest) return true;
    if (counter <= this.#newest - replayWindow_packets) return false;
    return ((this.#seen[wordOf(counter)] as number) & bitOf(counter)) === 0;
  }

  /** Takes a fresh counter; only after its packet was authenticated. */
  take(counter: number): void {
    if (counter > this.#newest) {
      if (counter - this.#newest >= replayWindow_packets) this.#seen.fill(0);
      else for (let between = this.#newest + 1; between < counter; between++) this.#clear(between);
      this.#newest = counter;
    }
    const word = wordOf(counter);
    this.#seen[word] = ((this.#seen[word] as number) | bitOf(counter)) >>> 0;
  }

  #clear(counter: number): void {
    const word = wordOf(counter);
    this.#seen[word] = ((this.#seen[word] as number) & ~bitOf(counter)) >>> 0;
  }
}

function wordOf(counter: number): number {
  return (counter % replayWindow_packets) >>> 5;
}

function bitOf(counter: number): number {
  return (1 << (counter % 32)) >>> 0;
}
