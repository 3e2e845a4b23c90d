/**
 * A small host of ABI v1 on plain `WebAssembly`, for tests of example agents and SDKs: state, sends, timers and
 * logs in memory, effects kept only when the call did not trap. It is not the product's host: it meters nothing.
 */
import type { MessageId } from "../../src/base/ids.ts";
import { decodeMessage, encodeMessage, type Message, plainMessage } from "../../src/wire/message.ts";

type Value = number | bigint;

interface AgentExports {
  readonly memory: WebAssembly.Memory;
  readonly alloc: (len: number) => number;
  readonly handle: (ptr: number, len: number) => void;
  readonly init?: () => void;
  readonly save?: () => bigint;
  readonly load?: (ptr: number, len: number) => void;
  readonly on_timer?: (id: number) => void;
  readonly _initialize?: () => void;
}

interface Effects {
  readonly sends: Message[];
  readonly state: Map<string, string>;
  readonly timers: Map<number, number>;
}

const sends_max = 1_000;
const stateKey_bytes = 512;

/** A message with every field at its default but those given. */
export function testMessage(
  given: Partial<Omit<Message, "content">> & { readonly content?: string | Uint8Array },
): Message {
  const { content = "hello", ...fields } = given;
  return plainMessage({
    messageId: "01890000-0000-7000-8000-0000000000ab" as MessageId,
    performative: "request",
    createdAt_ms: 1_000,
    sender: "~client.1@node-1",
    receiver: "agent",
    conversationId: "c-1",
    replyWith: "tag-1",
    ...fields,
    content: typeof content === "string" ? new TextEncoder().encode(content) : content,
  });
}

export function textOf(message: Message | undefined): string {
  return message === undefined ? "(no message)" : new TextDecoder().decode(message.content);
}

export class AgentTestHost {
  readonly module: WebAssembly.Module;
  /** Byte keys and values as Latin-1 text, which sorts as bytes do. */
  state = new Map<string, string>();
  timers = new Map<number, number>();
  readonly logs: { readonly level: number; readonly text: string }[] = [];
  /** What `send` answers; 0 queues. */
  sendResult = 0;
  now_ms = 5_000;
  #effects: Effects | null = null;
  #exports: AgentExports;

  constructor(
    wasm: Uint8Array,
    readonly name = "agent",
  ) {
    this.module = new WebAssembly.Module(new Uint8Array(wasm));
    this.#exports = this.#instantiate();
    this.#begin();
  }

  /** Delivers one message and returns what the agent sent. Throws what the agent trapped with; then nothing was changed. */
  deliver(given: Parameters<typeof testMessage>[0]): Message[] {
    const bytes = encodeMessage(testMessage({ receiver: this.name, ...given }));
    return this.#call(() => this.#exports.handle(this.#write(bytes), bytes.length));
  }

  fireTimer(id: number): Message[] {
    this.timers.delete(id);
    return this.#call(() => this.#exports.on_timer?.(id));
  }

  save(): Uint8Array {
    const packed = BigInt.asUintN(64, this.#exports.save?.() ?? 0n);
    return this.#bytes(Number(packed >> 32n), Number(packed & 0xffff_ffffn)).slice();
  }

  load(bytes: Uint8Array): void {
    this.#call(() => this.#exports.load?.(this.#write(bytes), bytes.length));
  }

  /** As after a trap or a restart: the memory is gone, the state stays. */
  restart(): void {
    this.#exports = this.#instantiate();
    this.#begin();
  }

  get memory_bytes(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  #begin(): void {
    this.#call(() => {
      this.#exports._initialize?.();
      this.#exports.init?.();
    });
  }

  #call(run: () => void): Message[] {
    const effects: Effects = { sends: [], state: new Map(this.state), timers: new Map(this.timers) };
    this.#effects = effects;
    try {
      run();
    } finally {
      this.#effects = null;
    }
    this.state = effects.state;
    this.timers = effects.timers;
    return effects.sends;
  }

  #write(bytes: Uint8Array): number {
    const ptr = this.#exports.alloc(bytes.length);
    this.#bytes(ptr, bytes.length).set(bytes);
    return ptr;
  }

  #bytes(ptr: number, len: number): Uint8Array {
    const buffer = this.#exports.memory.buffer;
    const start = ptr >>> 0;
    if (len < 0 || start + len > buffer.byteLength)
      throw new Error(`abi: ${start}+${len} is outside of memory`);
    return new Uint8Array(buffer, start, len);
  }

  #latin1(ptr: number, len: number): string {
    return String.fromCharCode(...this.#bytes(ptr, len));
  }

  #give(value: string, ptr: number, cap: number): number {
    const out = this.#bytes(ptr, cap);
    if (value.length <= cap) for (let i = 0; i < value.length; i++) out[i] = value.charCodeAt(i);
    return value.length;
  }

  #current(): Effects {
    if (!this.#effects) throw new Error("host function outside of a call");
    return this.#effects;
  }

  #send(ptr: number, len: number): number {
    const bytes = this.#bytes(ptr, len).slice();
    const { sends } = this.#current();
    if (this.sendResult !== 0) return this.sendResult;
    if (sends.length >= sends_max) return -4;
    try {
      sends.push({ ...decodeMessage(bytes), sender: this.name });
    } catch {
      return -1;
    }
    return 0;
  }

  #instantiate(): AgentExports {
    const imports: Record<string, (...args: never[]) => Value | void> = {
      log: (level: number, ptr: number, len: number) => {
        this.logs.push({ level, text: new TextDecoder().decode(this.#bytes(ptr, len)) });
      },
      send: (ptr: number, len: number) => this.#send(ptr, len),
      now: () => this.now_ms,
      random: () => 42n,
      timer_set: (id: number, delay_ms: number) => {
        this.#current().timers.set(id, this.now_ms + delay_ms);
        return 0;
      },
      timer_cancel: (id: number) => {
        this.#current().timers.delete(id);
        return 0;
      },
      state_get: (kptr: number, klen: number, vptr: number, vcap: number) => {
        const value = this.#current().state.get(this.#latin1(kptr, klen));
        return value === undefined ? -1 : this.#give(value, vptr, vcap);
      },
      state_set: (kptr: number, klen: number, vptr: number, vlen: number) => {
        if (klen > stateKey_bytes) return -6;
        this.#current().state.set(this.#latin1(kptr, klen), this.#latin1(vptr, vlen));
        return 0;
      },
      state_delete: (kptr: number, klen: number) => {
        this.#current().state.delete(this.#latin1(kptr, klen));
        return 0;
      },
      state_next: (kptr: number, klen: number, ptr: number, cap: number) => {
        const after = this.#latin1(kptr, klen);
        const key = [...this.#current().state.keys()].sort().find((candidate) => candidate > after);
        return key === undefined ? -1 : this.#give(key, ptr, cap);
      },
    };
    return new WebAssembly.Instance(this.module, { caxton: imports }).exports as unknown as AgentExports;
  }
}
