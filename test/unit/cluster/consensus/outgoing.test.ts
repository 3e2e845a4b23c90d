import { describe, expect, test } from "vitest";
import { parseNodeId } from "../../../../src/base/ids.ts";
import { Outgoing } from "../../../../src/cluster/consensus/outgoing.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { raftIdOf } from "../../../../src/raft/configuration.ts";
import { decodeRaftMessage } from "../../../../src/raft/message-codec.ts";
import type { RaftMessage } from "../../../../src/raft/messages.ts";

const self = raftIdOf(parseNodeId("node-1"), 1);
const other = raftIdOf(parseNodeId("node-2"), 2);
const third = raftIdOf(parseNodeId("node-3"), 3);

const news = (commit: number, term = 1): RaftMessage => ({ kind: "heartbeat", term, round: 0, commit });
const append = (commit: number): RaftMessage => ({
  kind: "append",
  term: 1,
  previous: { index: 5, term: 1 },
  entries: [],
  commit,
});

function outgoing(): { readonly out: Outgoing; readonly clock: VirtualClock; readonly sent: string[] } {
  const clock = new VirtualClock();
  const sent: string[] = [];
  const transport = {
    send: (node: string, _: string, bytes: Uint8Array): void => {
      const { message } = decodeRaftMessage(bytes);
      const commit = "commit" in message ? ` ${message.commit}` : "";
      sent.push(`${node} ${message.kind}${commit}`);
    },
  };
  return { out: new Outgoing({ self, clock, transport }), clock, sent };
}

describe("news of the commit index", () => {
  test("waits, the newest alone, and then leaves by itself", () => {
    const { out, clock, sent } = outgoing();
    out.send(other, news(3));
    out.send(other, news(4));
    out.send(third, news(4));
    expect(sent).toEqual([]);
    expect(out.sent).toBe(0);
    clock.advance(20);
    expect(sent).toEqual(["node-2 heartbeat 4", "node-3 heartbeat 4"]);
    clock.advance(100);
    expect(sent).toHaveLength(2);
  });

  test("does not leave when the next append says it", () => {
    const { out, clock, sent } = outgoing();
    out.send(other, news(4));
    out.send(other, append(4));
    clock.advance(20);
    expect(sent).toEqual(["node-2 append 4"]);
  });

  test("leaves before an append that knows less, and before anything else", () => {
    const { out, clock, sent } = outgoing();
    out.send(other, news(4));
    out.send(other, append(3));
    out.send(third, news(4));
    out.send(third, { kind: "read-index-reply", term: 1, token: 7, index: 4 });
    out.send(third, news(5, 2));
    out.send(third, append(9));
    clock.advance(20);
    expect(sent).toEqual([
      "node-2 heartbeat 4",
      "node-2 append 3",
      "node-3 heartbeat 4",
      "node-3 read-index-reply",
      "node-3 heartbeat 5",
      "node-3 append 9",
    ]);
  });

  test("goes at once to whoever asked for something lately", () => {
    const { out, clock, sent } = outgoing();
    out.asks(other);
    out.send(other, news(3));
    expect(sent).toEqual(["node-2 heartbeat 3"]);
    clock.advance(2_000);
    out.send(other, news(4));
    expect(sent).toHaveLength(1);
    out.flush();
    expect(sent).toEqual(["node-2 heartbeat 3", "node-2 heartbeat 4"]);
  });

  test("is never sent once its participant ended", () => {
    const { out, clock, sent } = outgoing();
    out.send(other, news(4));
    out.close();
    clock.advance(100);
    expect(sent).toEqual([]);
  });
});
