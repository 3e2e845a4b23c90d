/** A store server and its clients in one thread, whose turns are taken by hand. */
import { VirtualClock } from "../../src/platform/memory/clock.ts";
import { type MemoryDatabases, memoryDatabases } from "../../src/platform/memory/database.ts";
import type { Channel } from "../../src/ports/threads.ts";
import { type EngineOptions, openEngine, type StoreEngine } from "../../src/store/engine.ts";
import { StoreServer } from "../../src/store/server.ts";
import { StoreClient } from "../../src/store/store-client.ts";
import type { StoreReply, StoreRequest } from "../../src/store/store-protocol.ts";
import { channelPair } from "./channel-pair.ts";

export class LocalStore {
  readonly clock = new VirtualClock();
  readonly engine: StoreEngine;
  closed = false;
  readonly #server: StoreServer;
  #turns: (() => void)[] = [];

  constructor(
    readonly databases: MemoryDatabases = memoryDatabases(),
    options: EngineOptions = {},
    queue_bytes = 1_000_000,
  ) {
    this.engine = openEngine(databases, "store.db", options);
    const world = { clock: this.clock, soon: (turn: () => void) => void this.#turns.push(turn), queue_bytes };
    this.#server = new StoreServer(this.engine, world, () => {
      this.closed = true;
    });
  }

  channel(role: "owner" | "client"): Channel<StoreReply, StoreRequest> {
    const [ours, theirs] = channelPair<StoreReply, StoreRequest>();
    this.#server.serve(theirs, role);
    return ours;
  }

  client(role: "owner" | "client" = "client"): StoreClient {
    return new StoreClient(this.channel(role), { appends: 1_000, bytes: 300_000 });
  }

  /** Lets everything arrive that was posted. */
  async arrive(): Promise<void> {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }

  /** Takes the turns that wait now, and lets their replies arrive; false when there were none. */
  async turn(): Promise<boolean> {
    await this.arrive();
    const turns = this.#turns;
    this.#turns = [];
    for (const turn of turns) turn();
    await this.arrive();
    return turns.length > 0;
  }

  /** Turns until none waits. Timers do not run. */
  async settle(): Promise<void> {
    while (await this.turn());
  }
}
