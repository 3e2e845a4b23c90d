/** The scheduler: shares of cost between agents, debts, and agents that wait for something. */
import { describe, expect, test } from "vitest";
import {
  callCost,
  handOversInRow,
  roundShare,
  type Runnable,
  Scheduler,
} from "../../../src/messaging/scheduler.ts";

class Job implements Runnable {
  scheduled = false;
  deficit = 0;
  era = 0;
  runs = 0;
  blocked = false;
  ran: () => void = () => {};

  constructor(
    public work: number,
    readonly fuel: number,
    readonly weight = 5,
  ) {}

  get runnable(): boolean {
    return this.work > 0;
  }

  runOne(): number {
    this.work--;
    this.runs++;
    this.ran();
    return this.fuel;
  }
}

function schedulerOf(...jobs: Job[]): Scheduler<Job> {
  const scheduler = new Scheduler<Job>();
  for (const job of jobs) scheduler.wake(job);
  return scheduler;
}

describe("a scheduler", () => {
  test("runs everything and says so", () => {
    const jobs = [new Job(10, 0), new Job(1_000, 0)];
    const scheduler = schedulerOf(...jobs);
    expect(scheduler.drain()).toBe(false);
    expect(jobs.map((job) => job.work)).toEqual([0, 0]);
  });

  test("shares cost evenly between agents of one weight, whatever a call costs", () => {
    const jobs = [new Job(1e9, 0), new Job(1e9, 8_000), new Job(1e9, 998_000)];
    const scheduler = schedulerOf(...jobs);
    expect(scheduler.drain(300_000_000)).toBe(true);
    const spent = jobs.map((job) => job.runs * (job.fuel + callCost));
    for (const each of spent) expect(Math.abs(each / 100_000_000 - 1)).toBeLessThan(0.05);
  });

  test("shares by weight", () => {
    const jobs = [new Job(1e9, 0, 1), new Job(1e9, 0, 10)];
    const scheduler = schedulerOf(...jobs);
    scheduler.drain(50_000_000);
    const [low, critical] = jobs;
    expect((critical?.runs ?? 0) / (low?.runs ?? 1)).toBeCloseTo(10, 0);
  });

  test("forgives a debt that kept nobody waiting", () => {
    const spender = new Job(1, 50_000_000);
    const scheduler = schedulerOf(spender);
    scheduler.drain();
    const other = new Job(1e6, 0);
    spender.work = 1;
    scheduler.wake(spender);
    scheduler.wake(other);
    scheduler.drain(200_000);
    expect(spender.runs).toBe(2);
  });

  test("leaves blocked agents until they are unparked, and ends a drain without them", () => {
    const job = new Job(5, 0);
    job.blocked = true;
    const scheduler = schedulerOf(job);
    expect(scheduler.drain()).toBe(false);
    expect(job.runs).toBe(0);
    scheduler.wake(job);
    job.blocked = false;
    scheduler.unpark();
    scheduler.drain();
    expect(job.runs).toBe(5);
  });

  describe("hands over to an agent that a turn woke", () => {
    test("before the others that wait", () => {
      const scheduler = new Scheduler<Job>();
      const [first, second, woken] = [new Job(1, 0), new Job(1, 0), new Job(0, 0)];
      const order: Job[] = [];
      for (const job of [first, second, woken]) job.ran = () => order.push(job);
      first.ran = () => {
        order.push(first);
        woken.work = 1;
        scheduler.wake(woken);
      };
      scheduler.wake(first);
      scheduler.wake(second);
      expect(scheduler.drain()).toBe(false);
      expect(order).toEqual([first, woken, second]);
    });

    test("so often in a row, and nobody who waits is passed over for ever", () => {
      const scheduler = new Scheduler<Job>();
      const ring = Array.from({ length: 1_000 }, () => new Job(0, 0));
      for (const [i, job] of ring.entries()) {
        job.ran = () => {
          const next = ring[(i + 1) % ring.length] as Job;
          next.work++;
          scheduler.wake(next);
        };
      }
      const waiting = Array.from({ length: 50 }, () => new Job(1e9, 0));
      for (const job of [ring[0] as Job, ...waiting]) {
        job.work ||= 1;
        scheduler.wake(job);
      }
      scheduler.drain(50 * (roundShare * 5 + callCost) + handOversInRow * 2 * callCost);
      expect(waiting.filter(({ runs }) => runs > 0).length).toBe(50);
      expect(ring.reduce((sum, { runs }) => sum + runs, 0)).toBeGreaterThan(handOversInRow);
    });

    test("gives it no more than its share, however many wake it", () => {
      const scheduler = new Scheduler<Job>();
      const popular = new Job(0, 500_000);
      const senders = Array.from({ length: 9 }, () => new Job(1e9, 0));
      for (const sender of senders) {
        sender.ran = () => {
          if (popular.work === 0) popular.work++;
          scheduler.wake(popular);
        };
        scheduler.wake(sender);
      }
      scheduler.drain(500_000_000);
      const share = (popular.runs * (popular.fuel + callCost)) / 500_000_000;
      expect(share).toBeGreaterThan(0.08);
      expect(share).toBeLessThan(0.12);
    });
  });

  test("ends a drain after the turn with which it is enough, and leaves nobody out", () => {
    const jobs = [new Job(1, 0), new Job(1, 0)];
    const scheduler = schedulerOf(...jobs);
    expect(scheduler.drain(1e9, () => true)).toBe(true);
    expect(jobs.map(({ runs }) => runs)).toEqual([1, 0]);
    expect(scheduler.drain()).toBe(false);
    expect(jobs.map(({ runs }) => runs)).toEqual([1, 1]);
  });
});
