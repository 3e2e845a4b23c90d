/** The scheduler: shares of cost between agents, debts, and agents that wait for something. */
import { describe, expect, test } from "vitest";
import { callCost, type Runnable, Scheduler } from "../../../src/messaging/scheduler.ts";

class Job implements Runnable {
  scheduled = false;
  deficit = 0;
  era = 0;
  runs = 0;
  blocked = false;

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
});
