/** The part of serf's agent RPC (MessagePack over TCP) that `membership.ts` needs: header, body, answers by number. */
import { connect, type Socket } from "node:net";

type Value = string | number | boolean | null | Uint8Array | Value[] | { [key: string]: Value };
type Fields = { [key: string]: Value };

/** Commands whose answer is a header alone. */
const bodiless = new Set(["handshake", "event", "stream"]);
const connectTries = 200;

export class SerfRpc {
  readonly #socket: Socket;
  readonly #waiting = new Map<
    number,
    { command: string; resolve: (value: Value) => void; reject: (error: Error) => void }
  >();
  #stream: { sequence: number; heard: (record: Value) => void } | null = null;
  #pending: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  #sequence = 0;
  #ended = false;

  /** Tries until the agent listens. */
  static async open(port: number): Promise<SerfRpc> {
    for (let tries = 1; ; tries++) {
      try {
        const rpc = new SerfRpc(await connected(port));
        await rpc.call("handshake", { Version: 1 });
        return rpc;
      } catch (error) {
        if (tries === connectTries) throw error;
        await Bun.sleep(25);
      }
    }
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#hear(chunk));
    socket.on("error", () => this.#end());
    socket.on("close", () => this.#end());
  }

  call(command: string, body?: Fields): Promise<Value> {
    if (this.#ended) return Promise.reject(new Error(`serf has ended: no ${command}`));
    const sequence = this.#sequence++;
    const parts = [encode({ Command: command, Seq: sequence }), body ? encode(body) : Buffer.alloc(0)];
    return new Promise((resolve, reject) => {
      this.#waiting.set(sequence, { command, resolve, reject });
      this.#socket.write(Buffer.concat(parts));
    });
  }

  /** User events from now on. */
  async follow(heard: (record: Value) => void): Promise<void> {
    this.#stream = { sequence: this.#sequence, heard };
    await this.call("stream", { Type: "user" });
  }

  async members(): Promise<ReadonlyMap<string, string>> {
    const { Members: rows } = fields(await this.call("members"));
    const found = new Map<string, string>();
    for (const row of Array.isArray(rows) ? rows : []) {
      const { Name, Status } = fields(row);
      found.set(textOf(Name ?? null), textOf(Status ?? null));
    }
    return found;
  }

  close(): void {
    this.#socket.destroy();
  }

  #hear(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const decoder = new Decoder(this.#pending);
      try {
        this.#one(decoder);
      } catch (error) {
        if (error instanceof NotYet) return;
        throw error;
      }
      this.#pending = this.#pending.subarray(decoder.at);
    }
  }

  #one(decoder: Decoder): void {
    const { Seq, Error: failure } = fields(decoder.value());
    const waiting = this.#waiting.get(Number(Seq));
    if (waiting === undefined) {
      if (this.#stream?.sequence === Number(Seq)) this.#stream.heard(decoder.value());
      return;
    }
    const reason = textOf(failure ?? null);
    const body = reason !== "" || bodiless.has(waiting.command) ? null : decoder.value();
    this.#waiting.delete(Number(Seq));
    if (reason === "") waiting.resolve(body);
    else waiting.reject(new Error(`serf ${waiting.command}: ${reason}`));
  }

  #end(): void {
    this.#ended = true;
    for (const { command, reject } of this.#waiting.values()) reject(new Error(`serf ended at ${command}`));
    this.#waiting.clear();
  }
}

export function textOf(value: Value): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : typeof value === "string" ? value : "";
}

export function fields(value: Value): Fields {
  return typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
    ? value
    : {};
}

function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

/** https://github.com/msgpack/msgpack/blob/master/spec.md, what requests need. */
function encode(value: Value): Buffer {
  if (value === null) return Buffer.from([0xc0]);
  if (typeof value === "boolean") return Buffer.from([value ? 0xc3 : 0xc2]);
  if (typeof value === "number") {
    const bytes = Buffer.alloc(9, 0xcf);
    bytes.writeBigUInt64BE(BigInt(value), 1);
    return bytes;
  }
  if (typeof value === "string" || value instanceof Uint8Array) {
    const bytes = Buffer.from(value as string);
    const head = Buffer.from([0xda, 0, 0]);
    head.writeUInt16BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  }
  if (Array.isArray(value)) return Buffer.concat([Buffer.from([0x90 | value.length]), ...value.map(encode)]);
  const entries = Object.entries(value);
  const parts = entries.flatMap(([key, one]) => [encode(key), encode(one)]);
  return Buffer.concat([Buffer.from([0x80 | entries.length]), ...parts]);
}

/** The rest of the value is still on its way. */
class NotYet extends Error {}

class Decoder {
  at = 0;

  constructor(private readonly bytes: Buffer) {}

  value(): Value {
    const type = this.#number(1);
    if (type < 0x80) return type;
    if (type < 0x90) return this.#map(type & 0x0f);
    if (type < 0xa0) return this.#list(type & 0x0f);
    if (type < 0xc0) return this.#raw(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    return this.#long(type);
  }

  #long(type: number): Value {
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return type === 0xc3;
      case 0xc4:
      case 0xd9:
        return this.#raw(this.#number(1));
      case 0xc5:
      case 0xda:
        return this.#raw(this.#number(2));
      case 0xc6:
      case 0xdb:
        return this.#raw(this.#number(4));
      case 0xcc:
      case 0xd0:
        return this.#number(1);
      case 0xcd:
      case 0xd1:
        return this.#number(2);
      case 0xce:
      case 0xd2:
        return this.#number(4);
      case 0xcf:
      case 0xd3:
        return Number(this.#take(8).readBigUInt64BE());
      case 0xdc:
        return this.#list(this.#number(2));
      case 0xdd:
        return this.#list(this.#number(4));
      case 0xde:
        return this.#map(this.#number(2));
      case 0xdf:
        return this.#map(this.#number(4));
      default:
        throw new Error(`serf sent the unknown type ${type}`);
    }
  }

  #take(length: number): Buffer {
    if (this.at + length > this.bytes.length) throw new NotYet();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  #number(length: 1 | 2 | 4): number {
    return this.#take(length).readUIntBE(0, length);
  }

  #raw(length: number): Uint8Array {
    return this.#take(length);
  }

  #list(length: number): Value[] {
    return Array.from({ length }, () => this.value());
  }

  #map(length: number): Fields {
    const found: Fields = {};
    for (let i = 0; i < length; i++) {
      const key = this.value();
      found[typeof key === "string" || key instanceof Uint8Array ? textOf(key) : JSON.stringify(key)] =
        this.value();
    }
    return found;
  }
}
