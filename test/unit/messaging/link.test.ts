import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { LinkReceiver, LinkSender } from "../../../src/messaging/link.ts";
import { decodeLinkFrame, encodeLinkFrame, type LinkFrame } from "../../../src/wire/link-frame.ts";
import { messageIdOf } from "../../../src/wire/message.ts";
import { encodedMessage, testMessageId } from "../../support/messages.ts";

const accepted = 0;

/** Some are meant for nobody's epoch. */
const epochOf = (n: number): number => (n % 3 === 0 ? 0 : 1_000 + n);

/** Two halves over a connection that breaks at random: frames in flight at a break are lost. */
class World {
  readonly sender = new LinkSender(7);
  receiver = new LinkReceiver();
  readonly handed: string[] = [];
  /** By message, as they came over. */
  readonly epochs = new Map<string, number>();
  readonly answers: { id: number; outcome: number }[] = [];
  readonly #toReceiver: Uint8Array[] = [];
  readonly #toSender: Uint8Array[] = [];
  readonly #handling: { session: number; sequence: number }[] = [];
  readonly #prng: Prng;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  push(n: number): void {
    const message = encodedMessage(n);
    this.sender.push({
      message,
      epoch: epochOf(n),
      done: (outcome) => this.answers.push({ id: n, outcome }),
    });
  }

  /** One random thing happens. */
  step(breaks: boolean): void {
    const roll = this.#prng.below(breaks ? 5 : 4);
    if (roll === 0) {
      const frame = this.sender.nextFrame();
      if (frame) this.#toReceiver.push(encodeLinkFrame(frame));
    } else if (roll === 1) this.#receive(this.#toReceiver.shift());
    else if (roll === 2) this.#settle();
    else if (roll === 3) this.#answer(this.#toSender.shift());
    else if (this.#prng.chance(0.2)) this.breakConnection();
  }

  breakConnection(): void {
    this.#toReceiver.length = 0;
    this.#toSender.length = 0;
    this.sender.resendAll();
  }

  restartReceiver(): void {
    this.receiver = new LinkReceiver();
    this.#handling.length = 0;
    this.breakConnection();
  }

  #receive(bytes: Uint8Array | undefined): void {
    const frame = bytes && decodeLinkFrame(bytes);
    if (frame?.kind !== "batch") return;
    const { deliver, replies } = this.receiver.batch(frame);
    for (const { sequence, message, epoch } of deliver) {
      this.handed.push(messageIdOf(message));
      this.epochs.set(messageIdOf(message), epoch);
      this.#handling.push({ session: frame.session, sequence });
    }
    for (const reply of replies) this.#toSender.push(encodeLinkFrame(reply));
  }

  #settle(): void {
    const index = this.#prng.below(this.#handling.length || 1);
    const [entry] = this.#handling.splice(index, 1);
    if (!entry || !this.receiver.settle(entry.session, entry.sequence, accepted)) return;
    const frame: LinkFrame = {
      kind: "outcomes",
      session: entry.session,
      entries: [{ sequence: entry.sequence, outcome: accepted }],
    };
    this.#toSender.push(encodeLinkFrame(frame));
  }

  #answer(bytes: Uint8Array | undefined): void {
    const frame = bytes && decodeLinkFrame(bytes);
    if (frame?.kind === "outcomes") this.sender.outcomes(frame.session, frame.entries);
    if (frame?.kind === "gap") this.sender.gap(frame.session, frame.expected);
  }

  finish(): void {
    for (let i = 0; i < 100_000 && this.sender.pending > 0; i++) {
      // An answer lost with its connection is asked for again, as the progress check does.
      if (i % 500 === 499) this.sender.resendAll();
      this.step(false);
    }
  }
}

describe("the message link", () => {
  test("hands over each message once and in order, and answers each once, however often it breaks", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 60 }), (seed, count) => {
        const world = new World(seed);
        for (let n = 0; n < count; n++) {
          world.push(n);
          for (let i = 0; i < 6; i++) world.step(true);
        }
        world.finish();
        expect(world.handed).toEqual(Array.from({ length: count }, (_, n) => testMessageId(n)));
        expect(world.answers.map(({ id }) => id).sort((a, b) => a - b)).toEqual(
          Array.from({ length: count }, (_, n) => n),
        );
      }),
      { numRuns: 200 },
    );
  });

  test("after a restart of the receiver what was unanswered is handed over again, nothing skipped", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const world = new World(seed);
        for (let n = 0; n < 40; n++) {
          world.push(n);
          for (let i = 0; i < 4; i++) world.step(true);
          if (n === 20) world.restartReceiver();
        }
        world.finish();
        expect(new Set(world.handed)).toEqual(
          new Set(Array.from({ length: 40 }, (_, n) => testMessageId(n))),
        );
        expect(world.answers.length).toBe(40);
        for (let n = 0; n < 40; n++) expect(world.epochs.get(testMessageId(n))).toBe(epochOf(n));
      }),
      { numRuns: 100 },
    );
  });

  test("a receiver that misses numbers asks for them", () => {
    const receiver = new LinkReceiver();
    const message = encodedMessage(1);
    const answer = receiver.batch({ kind: "batch", session: 1, base: 4, first: 6, messages: [message] });
    expect(answer).toEqual({ deliver: [], replies: [{ kind: "gap", session: 1, expected: 4 }] });
  });

  test("frames of an earlier boot are ignored", () => {
    const receiver = new LinkReceiver();
    receiver.batch({ kind: "batch", session: 5, base: 0, first: 0, messages: [encodedMessage(1)] });
    const stale = receiver.batch({
      kind: "batch",
      session: 4,
      base: 0,
      first: 1,
      messages: [encodedMessage(2)],
    });
    expect(stale).toEqual({ deliver: [], replies: [] });
  });

  test("failing a link ends every pending message once, and late answers change nothing", () => {
    const sender = new LinkSender(1);
    const ended: number[] = [];
    for (let n = 0; n < 3; n++) {
      sender.push({ message: encodedMessage(n), epoch: 0, done: (outcome) => ended.push(outcome) });
    }
    sender.nextFrame();
    sender.fail(7);
    sender.outcomes(1, [{ sequence: 0, outcome: accepted }]);
    expect(ended).toEqual([7, 7, 7]);
    expect(sender.pending).toBe(0);
    expect(sender.pending_bytes).toBe(0);
  });

  test("a batch stays within its bytes and the window within its bound", () => {
    const sender = new LinkSender(1);
    const content = "x".repeat(100_000);
    for (let n = 0; n < 400; n++)
      sender.push({ message: encodedMessage(n, { content }), epoch: 0, done: () => {} });
    let sent = 0;
    for (let frame = sender.nextFrame(); frame; frame = sender.nextFrame()) {
      if (frame.kind === "batch") sent += frame.messages.length;
      expect(encodeLinkFrame(frame).length).toBeLessThan(300_000);
    }
    expect(sent).toBeLessThan(200);
    expect(sent).toBeGreaterThan(100);
  });
});
