/** When a link to a peer counts as stuck: without new answers, however much the peer says. */
import { expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { PeerLink } from "../../../src/messaging/peer-link.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { decodeLinkFrame, encodeLinkFrame, type LinkFrame } from "../../../src/wire/link-frame.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";
import { encodedMessage } from "../../support/messages.ts";

const here = "here" as NodeId;
const peer = "peer" as NodeId;
const failure = 9;
const accepted = 0;

/** A link to a peer that answers only what the test says. */
function linked() {
  const clock = new VirtualClock();
  const network = new MemoryPeersNetwork(clock);
  const peers = network.join(here);
  const link = new PeerLink({ peer, session: 1, peers, clock, failure, deliver: () => undefined });
  peers.onFrame("message", ({ bytes }) => link.frame(decodeLinkFrame(bytes)));
  const ends: (number | undefined)[] = [];
  const far = network.join(peer);
  const say = (frame: LinkFrame): void => void far.send(here, "message", encodeLinkFrame(frame));
  return {
    clock,
    ends,
    push: (n: number) =>
      link.push({ message: encodedMessage(n), epoch: 0, done: (outcome) => void (ends[n] = outcome) }),
    answer: (sequence: number) =>
      say({ kind: "outcomes", session: 1, entries: [{ sequence, outcome: accepted }] }),
  };
}

/** Seconds pass, each with something from the peer. */
async function pass(clock: VirtualClock, seconds: number, each: () => void): Promise<void> {
  for (let s = 0; s < seconds; s++) {
    each();
    await Promise.resolve();
    clock.advance(1_000);
    await Promise.resolve();
  }
}

test("a peer that repeats an old answer for ever does not keep a stuck link looking well", async () => {
  const { clock, ends, push, answer } = linked();
  push(0);
  push(1);
  await pass(clock, 15, () => answer(0));
  expect(ends).toEqual([accepted, failure]);
});

test("a slow peer that answers one message after the other is waited for", async () => {
  const { clock, ends, push, answer } = linked();
  for (let n = 0; n < 30; n++) push(n);
  let next = 0;
  await pass(clock, 30, () => answer(next++));
  expect(ends).toEqual(Array.from({ length: 30 }, () => accepted));
});
