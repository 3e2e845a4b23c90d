/**
 * One running agent: an instance of an instrumented module with its own memory, budget and host
 * functions. It traps or returns, always in bounded time; it knows nothing of messages, queues or
 * restarts. After a trap it is not used again.
 */
import { assert } from "../base/assert.ts";
import { CaxtonError } from "../base/errors.ts";
import { agentMost } from "../wire/agent-spec.ts";
import { controlExports, controlSection } from "./abi.ts";
import { GuestMemory } from "./guest-memory.ts";
import { hostImports } from "./host.ts";
import type { HostFunctions } from "./host.ts";
import { callDepthLimit, page_bytes } from "./limits.ts";
import type { AgentExports, PreparedModule } from "./prepare.ts";
import { AgentTrap, budgetUsedUp, classifyTrap } from "./trap.ts";

/** What an instance needs to know of its module; part of `PreparedModule`. */
export type ModuleShape = Pick<PreparedModule, "imports" | "exports">;

/** Budget of each call: fuel up to `agentMost.fuel`, call depth up to `callDepthLimit`. */
export interface CallLimits {
  readonly fuel: number;
  readonly call_depth: number;
}

/** Where an instance's linear memory comes from: a budget that it shares with others. Counts are pages. */
export interface MemoryGrant {
  /** Whether so many are there to be used. */
  take(pages: number): boolean;
  /** How many of those, at most, may be used during the call that begins. */
  allow(pages: number): number;
  /** So many more are used; fewer when negative. */
  use(pages: number): void;
}

/** The memory of an instance: what it begins with, what it may have, and who grants it. */
export interface InstanceMemory {
  readonly initial_pages: number;
  readonly maximum_pages: number;
  readonly grant: MemoryGrant;
}

/** The most that there can be. */
const pages_max = 65_536;

/** The shape of a compiled instrumented module, for who has only its bytes; once a module, not an instance. */
export function shapeOf(module: WebAssembly.Module): ModuleShape {
  const control = WebAssembly.Module.customSections(module, controlSection.name)[0];
  if (control === undefined || new Uint8Array(control)[0] !== controlSection.version) {
    throw new CaxtonError(
      "invalid_module",
      "Module refused: it is not instrumented by this version; deploy it again",
    );
  }
  const names = new Set(WebAssembly.Module.exports(module).map((exported) => exported.name));
  const exports: AgentExports = {
    init: names.has("init"),
    save: names.has("save"),
    load: names.has("load"),
    on_timer: names.has("on_timer"),
    initialize: names.has("_initialize"),
  };
  return {
    imports: [...new Set(WebAssembly.Module.imports(module).map((imported) => imported.name))],
    exports,
  };
}

/** The instance's exports, as `prepareModule` has checked them. */
interface Guest {
  readonly memory: WebAssembly.Memory;
  alloc(length: number): number;
  handle(pointer: number, length: number): void;
  init?(): void;
  save?(): bigint;
  load?(pointer: number, length: number): void;
  on_timer?(id: number): void;
  _initialize?(): void;
  [controlExports.enter](fuel: number, depth: number, granted_pages: number): void;
  [controlExports.fuel](): number;
  [controlExports.reason](): number;
  [controlExports.charge](units: number): void;
  [controlExports.start]?(): void;
}

export class AgentInstance {
  readonly #guest: Guest;
  readonly #memory: GuestMemory;
  readonly #limits: CallLimits;
  readonly #budget: InstanceMemory | undefined;
  /** Of the budget. */
  #pages = 0;
  #running = false;
  #trapped = false;
  #fuelUsed = 0;

  private constructor(
    guest: Guest,
    memory: GuestMemory,
    limits: CallLimits,
    budget: InstanceMemory | undefined,
  ) {
    this.#guest = guest;
    this.#memory = memory;
    this.#limits = limits;
    this.#budget = budget;
    this.#countMemory();
  }

  /**
   * Instantiates, then runs the start function and `_initialize` on one budget; throws `AgentTrap`. Without `budget`
   * its memory is limited by the module alone.
   */
  static create(
    module: WebAssembly.Module,
    shape: ModuleShape,
    host: HostFunctions,
    limits: CallLimits,
    budget?: InstanceMemory,
  ): AgentInstance {
    assert(limits.fuel >= 0 && limits.fuel <= agentMost.fuel, `fuel is at most ${agentMost.fuel}`);
    assert(
      limits.call_depth >= 1 && limits.call_depth <= callDepthLimit,
      `call depth is at most ${callDepthLimit}`,
    );
    const memory = new GuestMemory();
    let charge: (units: number) => void = () => undefined;
    const access = { memory, charge: (units: number) => charge(units) };
    if (budget !== undefined && !budget.grant.take(budget.initial_pages)) {
      throw new AgentTrap("memory", `no room for its first ${budget.initial_pages} pages: ${budgetUsedUp}`);
    }
    let guest: Guest;
    try {
      const instance = new WebAssembly.Instance(module, hostImports(shape.imports, host, access));
      guest = instance.exports as unknown as Guest;
    } catch (thrown) {
      throw classifyTrap(thrown, 0, limits);
    }
    charge = guest[controlExports.charge];
    memory.attach(guest.memory);
    const created = new AgentInstance(guest, memory, limits, budget);
    const start = guest[controlExports.start];
    if (start === undefined && !shape.exports.initialize) return created;
    try {
      created.#run(() => {
        start?.();
        guest._initialize?.();
      });
    } catch (error) {
      created.close();
      throw error;
    }
    return created;
  }

  /** Fuel that the last call used; all of it after a trap of kind `fuel`. */
  get fuelUsed(): number {
    return this.#fuelUsed;
  }

  /** Bytes of linear memory that are reserved now. */
  get memory_bytes(): number {
    return this.#memory.bytes.length;
  }

  /** A call ended in a trap; every further call is refused. */
  get trapped(): boolean {
    return this.#trapped;
  }

  /** It is not used again: its memory is free. */
  close(): void {
    this.#budget?.grant.use(-this.#pages);
    this.#pages = 0;
    this.#trapped = true;
  }

  /** Calls `init`, if there is one. This and the calls below throw `AgentTrap`. */
  init(): void {
    if (this.#guest.init !== undefined) this.#run(() => this.#guest.init?.());
  }

  /** Gives one encoded message to the guest; `alloc` and `handle` share one budget. */
  handle(message: Uint8Array): void {
    this.#begin();
    try {
      this.#guest.handle(this.#place(message), message.length);
    } catch (thrown) {
      throw this.#trap(thrown);
    }
    this.#end();
  }

  /** A timer went off. Nothing happens when the guest has no `on_timer`. */
  onTimer(id: number): void {
    if (this.#guest.on_timer !== undefined) this.#run(() => this.#guest.on_timer?.(id));
  }

  /** A copy of what the guest saves for its next version; undefined when it has no `save`. */
  save(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#guest.save === undefined) return undefined;
    let saved: Uint8Array<ArrayBuffer> | undefined;
    this.#run(() => {
      const packed = BigInt.asUintN(64, this.#guest.save?.() ?? 0n);
      const pointer = Number(packed >> 32n);
      const length = Number(packed & 0xffff_ffffn);
      saved = new Uint8Array(this.#memory.range(pointer, length, "save"));
    });
    return saved;
  }

  /** Gives back what an earlier version saved. Nothing happens when the guest has no `load`. */
  load(saved: Uint8Array): void {
    if (this.#guest.load !== undefined) this.#run(() => this.#guest.load?.(this.#place(saved), saved.length));
  }

  /** Asks the guest for room and writes there. */
  #place(bytes: Uint8Array): number {
    const pointer = this.#memory.check(this.#guest.alloc(bytes.length), bytes.length, "alloc");
    this.#memory.bytes.set(bytes, pointer);
    return pointer;
  }

  #run(call: () => void): void {
    this.#begin();
    try {
      call();
    } catch (thrown) {
      throw this.#trap(thrown);
    }
    this.#end();
  }

  #begin(): void {
    assert(!this.#running, "an instance handles one call at a time");
    assert(!this.#trapped, "a trapped instance is not used again");
    this.#running = true;
    this.#guest[controlExports.enter](this.#limits.fuel, this.#limits.call_depth, this.#grantedPages());
  }

  #grantedPages(): number {
    const budget = this.#budget;
    if (budget === undefined) return pages_max;
    const room = budget.maximum_pages - this.#pages;
    return room <= 0 ? this.#pages : this.#pages + budget.grant.allow(room);
  }

  #countMemory(): void {
    if (this.#budget === undefined) return;
    const more = this.#memory.bytes.length / page_bytes - this.#pages;
    if (more === 0) return;
    this.#pages += more;
    this.#budget.grant.use(more);
  }

  #end(): void {
    this.#running = false;
    this.#countMemory();
    this.#fuelUsed = this.#limits.fuel - this.#guest[controlExports.fuel]();
  }

  #trap(thrown: unknown): AgentTrap {
    this.#trapped = true;
    this.#end();
    return classifyTrap(thrown, this.#guest[controlExports.reason](), this.#limits);
  }
}
