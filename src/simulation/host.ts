/**
 * One simulated machine: its clocks, and whether its process gets to run. A paused process runs its late
 * timers first and then the packets that its socket kept, as an event loop does; a slow one takes its
 * time over each.
 */
import { RingQueue } from "../base/ring-queue.ts";
import type { VirtualClock } from "../platform/memory/clock.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { toTicks_ms } from "./ticks.ts";

/** A socket keeps this many packets, as a 2 MB kernel buffer of small ones would. */
const receiveBuffer_packets = 2_048;

type Task = () => void;

export class Host implements Clock {
  /** Packets that a full receive buffer lost. */
  overflowed = 0;
  #rate = 1;
  #skew_ms = 0;
  /** This machine's time when its rate last changed, and the world's. */
  #local_ms = 0;
  #world_ms = 0;
  #paused = false;
  #cost_ms = 0;
  #busy = false;
  readonly #timers = new RingQueue<Task>();
  readonly #packets = new RingQueue<Task>();
  /** What goes out once the network moves again. */
  readonly #outgoing = new RingQueue<Task>();
  #stalled = false;

  constructor(private readonly world: VirtualClock) {}

  now_ms(): number {
    return this.#local_ms + (this.world.now_ms() - this.#world_ms) * this.#rate;
  }

  wall_ms(): number {
    return Math.floor(this.world.wall_ms() - this.world.now_ms() + this.now_ms() + this.#skew_ms);
  }

  after(delay_ms: number, callback: Task): Timer {
    let cancelled = false;
    const timer = this.world.after(toTicks_ms(delay_ms / this.#rate), () => {
      this.#run(this.#timers, () => {
        if (!cancelled) callback();
      });
    });
    return {
      cancel() {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  /** A datagram for the process; lost when the socket's buffer is full. */
  receive(task: Task): void {
    if (this.#packets.length >= receiveBuffer_packets) this.overflowed++;
    else this.#run(this.#packets, task);
  }

  /** Bytes of a stream for the process: TCP keeps them. */
  receiveStream(task: Task): void {
    this.#run(this.#packets, task);
  }

  /** A datagram of the process, which `task` puts on the wire. */
  send(task: Task): void {
    if (!this.#stalled) task();
    else if (this.#outgoing.length >= receiveBuffer_packets) this.overflowed++;
    else this.#outgoing.push(task);
  }

  /** Its network stands still, both ways; the process and its timers run on. Nothing of a full buffer is lost. */
  stall(): void {
    this.#stalled = true;
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  unstall(): void {
    this.#stalled = false;
    for (let task = this.#outgoing.shift(); task; task = this.#outgoing.shift()) task();
    this.#work();
  }

  setClock(skew_ms: number, rate: number): void {
    this.#local_ms = this.now_ms();
    this.#world_ms = this.world.now_ms();
    this.#skew_ms = skew_ms;
    this.#rate = rate;
  }

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#work();
  }

  /** Each task takes so long; 0 is a machine without load. */
  setCost(cost_ms: number): void {
    this.#cost_ms = cost_ms;
    if (!this.#busy) this.#work();
  }

  /** The process is gone with all that it had not yet done. */
  clear(): void {
    this.#timers.clear();
    this.#packets.clear();
    this.#outgoing.clear();
  }

  #run(queue: RingQueue<Task>, task: Task): void {
    const waits = this.#stalled && queue === this.#packets;
    if (!this.#paused && this.#cost_ms === 0 && !this.#busy && !waits) {
      task();
      return;
    }
    queue.push(task);
    if (!this.#busy) this.#work();
  }

  #work(): void {
    while (!this.#paused) {
      const task = this.#timers.shift() ?? (this.#stalled ? undefined : this.#packets.shift());
      if (!task) return;
      task();
      if (this.#cost_ms === 0) continue;
      this.#busy = true;
      this.world.after(toTicks_ms(this.#cost_ms), () => {
        this.#busy = false;
        this.#work();
      });
      return;
    }
  }
}
