/**
 * The host's view of one instance's memory, renewed after the memory grew. Every pointer and length
 * that comes from the guest passes `range`, as unsigned 32-bit numbers.
 */
import { AgentTrap } from "./trap.ts";

export class GuestMemory {
  #memory: WebAssembly.Memory | null = null;
  #bytes = new Uint8Array(0);

  /** Called once, when the instance exists. */
  attach(memory: WebAssembly.Memory): void {
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /** All bytes as they are now; not kept over a call into the guest. */
  get bytes(): Uint8Array {
    // Growing detaches the old buffer, which leaves a view of length 0.
    if (this.#bytes.length === 0 && this.#memory !== null) this.#bytes = new Uint8Array(this.#memory.buffer);
    return this.#bytes;
  }

  /** A view of `length` bytes at `pointer`; a trap of kind `abi` when any is outside. */
  range(pointer: number, length: number, what: string): Uint8Array {
    const start = this.check(pointer, length, what);
    return this.bytes.subarray(start, start + (length >>> 0));
  }

  /** The unsigned pointer, checked like `range`. */
  check(pointer: number, length: number, what: string): number {
    const start = pointer >>> 0;
    const size = length >>> 0;
    if (start + size > this.bytes.length) {
      throw new AgentTrap(
        "abi",
        `${what}: ${size} bytes at ${start} are outside of memory (${this.bytes.length} bytes)`,
      );
    }
    return start;
  }
}
