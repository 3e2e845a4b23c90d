/** Who waits for the commits of an agent thread, while one leads to the next. */
import { expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { AgentName } from "../../../../src/base/ids.ts";
import type { AgentFace } from "../../../../src/agents/thread/agent-face.ts";
import { CommitQueue } from "../../../../src/agents/thread/commit-queue.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import type { Store } from "../../../../src/store/store.ts";
import { encodedMessage } from "../../../support/messages.ts";

/** A queue whose commits end when the test says so. */
class TestQueue {
  readonly clock = new VirtualClock();
  readonly commits: { readonly succeed: () => void; readonly fail: () => void }[] = [];
  readonly agent = { name: "bob" as AgentName, uncommitted: 0 } as AgentFace;
  readonly queue: CommitQueue;
  whenDurable: () => void = () => {};
  #messages = 0;

  constructor() {
    const append = (): Promise<void> =>
      new Promise((resolve, reject) => {
        this.commits.push({ succeed: resolve, fail: () => reject(new CaxtonError("disk_full", "full")) });
      });
    this.queue = new CommitQueue({ append } as Pick<Store, "append"> as Store, this.clock, {
      durable: () => this.whenDurable(),
      failed: () => {},
      notesLost: () => {},
      unblocked: () => {},
    });
  }

  add(): void {
    const message = encodedMessage(this.#messages++);
    this.queue.add({ kind: "accepted", agent: this.agent, message, ticket: 0 });
  }

  /** Whether what was added by now has been committed or has failed. */
  passed(): { done: boolean } {
    const result = { done: false };
    void this.queue.passed().then(() => (result.done = true));
    return result;
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }
}

test("who waits for a commit is answered by it, though its results begin the next one at once", async () => {
  const world = new TestQueue();
  const { queue, commits } = world;
  world.add();
  queue.flush();
  const first = world.passed();
  world.whenDurable = () => {
    world.whenDurable = () => {};
    world.add();
    queue.flush();
  };
  commits[0]?.succeed();
  await world.settle();
  expect([commits.length, first.done]).toEqual([2, true]);
});

test("who waits for what gathers is answered by its own commit, not by the one before", async () => {
  const world = new TestQueue();
  const { queue, commits } = world;
  world.add();
  queue.flush();
  world.add();
  const second = world.passed();
  world.whenDurable = () => queue.flush();
  commits[0]?.succeed();
  await world.settle();
  expect([commits.length, second.done]).toEqual([2, false]);
  commits[1]?.succeed();
  await world.settle();
  expect(second.done).toBe(true);
  expect(world.agent.uncommitted).toBe(0);
});

test("a failed commit answers everyone who waits", async () => {
  const world = new TestQueue();
  const { queue, commits } = world;
  world.add();
  queue.flush();
  const first = world.passed();
  world.add();
  const second = world.passed();
  commits[0]?.fail();
  await world.settle();
  expect([first.done, second.done, queue.blocked]).toEqual([true, true, true]);
});

test("a commit is due when much has gathered and none is under way", async () => {
  const world = new TestQueue();
  const { queue, commits } = world;
  let added = 0;
  while (!queue.due) {
    world.add();
    added++;
  }
  expect(added).toBeGreaterThan(1);
  queue.flush();
  expect(queue.due).toBe(false);
  for (let i = 0; i < added; i++) world.add();
  expect(queue.due).toBe(false);
  commits[0]?.succeed();
  await world.settle();
  expect(commits.length).toBe(2);
  for (let i = 0; i < added; i++) world.add();
  commits[1]?.fail();
  await world.settle();
  for (let i = 0; i < added; i++) world.add();
  // The next attempt waits for its time.
  expect(queue.due).toBe(false);
});
