import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { advance, type Conversation, type Said } from "../../../src/fipa/conversation.ts";
import { protocols } from "../../../src/fipa/protocols.ts";
import { performatives, type Performative } from "../../../src/wire/message.ts";
import { testMessage, testMessageId } from "../../support/messages.ts";

const now_ms = 1_700_000_000_000;
const ids = { next: 1 };

/** `i` is alice, who began; `p` is bob; `x` is a stranger to bob. */
function said(protocol: string, who: string, performative: Performative, more: Partial<Said> = {}): Said {
  const [sender, receiver] =
    who === "p" ? ["bob@node-2", "alice"] : [who === "x" ? "mallory" : "alice@node-1", "bob"];
  return {
    ...testMessage(ids.next++),
    sender,
    receiver,
    performative,
    protocol,
    conversationId: "c-1",
    ...more,
  };
}

/**
 * Plays lines such as `i request`, or `p inform re=tag by=+5 at=+9`: `re` is in_reply_to, `by` reply_by and `at` the
 * time, both from the beginning. Returns the state after each line, or `! what was expected`.
 */
function play(protocol: string, lines: readonly string[]): string[] {
  let conversation: Conversation | null = null;
  return lines.map((line) => {
    const [who, performative, ...options] = line.split(" ") as [string, Performative, ...string[]];
    const option = (name: string): string | undefined =>
      options.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
    const by = option("by");
    const message = said(protocol, who, performative, {
      replyWith: option("with") ?? "",
      inReplyTo: option("re") ?? "",
      replyBy_ms: by === undefined ? 0 : now_ms + Number(by),
    });
    const step = advance(conversation, message, now_ms + Number(option("at") ?? 0));
    if (step.kind === "out_of_protocol") return `! ${step.expected}`;
    conversation = step.conversation;
    return conversation.state + (conversation.cancel === null ? "" : " cancelling");
  });
}

function transcript(protocol: string, text: string): void {
  const rows = text
    .trim()
    .split("\n")
    .map((row) => row.split(" => ").map((cell) => cell.trim()) as [string, string]);
  const states = play(
    protocol,
    rows.map(([line]) => line),
  );
  expect(rows.map(([line], i) => `${line} => ${states[i] as string}`)).toEqual(
    rows.map((row) => row.join(" => ")),
  );
}

describe("fipa-request", () => {
  test("request, agree, inform", () => {
    transcript(
      "fipa-request",
      `
      i request => requested
      p agree => agreed
      p inform => ended
      p inform => ! request: the conversation has ended
      i request => requested`,
    );
  });

  test("the participant may refuse, fail or answer at once, and nobody may speak out of turn", () => {
    transcript(
      "fipa-request",
      `
      p agree => ! request first
      i request => requested
      i request => ! agree, refuse, failure or inform from "bob", or cancel from "alice"
      i inform => ! agree, refuse, failure or inform from "bob", or cancel from "alice"
      p propose => ! agree, refuse, failure or inform from "bob", or cancel from "alice"
      x inform => ! a message between "alice" and "bob"
      p agree => agreed
      p agree => ! failure or inform from "bob", or cancel from "alice"
      p refuse => ! failure or inform from "bob", or cancel from "alice"
      p failure => ended`,
    );
    expect(play("fipa-request", ["i request", "p refuse"])).toEqual(["requested", "ended"]);
    expect(play("fipa-request", ["i request", "p inform"])).toEqual(["requested", "ended"]);
  });
});

describe("fipa-query", () => {
  test("query-if takes confirm and disconfirm, query-ref does not", () => {
    transcript(
      "fipa-query",
      `
      i request => ! query-if or query-ref first
      i query-if => asked-if
      p agree => agreed-if
      p confirm => ended
      i query-ref => asked-ref
      p confirm => ! agree, refuse, failure or inform from "bob", or cancel from "alice"
      p agree => agreed-ref
      p disconfirm => ! failure or inform from "bob", or cancel from "alice"
      p inform => ended`,
    );
  });
});

describe("fipa-contract-net", () => {
  test("call, proposal, acceptance, result", () => {
    transcript(
      "fipa-contract-net",
      `
      i cfp => called
      i accept-proposal => ! propose or refuse from "bob", or cancel from "alice"
      p inform => ! propose or refuse from "bob", or cancel from "alice"
      p propose => proposed
      p accept-proposal => ! accept-proposal or reject-proposal from "alice", or cancel from "alice"
      i accept-proposal => accepted
      i reject-proposal => ! failure or inform from "bob", or cancel from "alice"
      p inform => ended`,
    );
    expect(play("fipa-contract-net", ["i cfp", "p propose", "i reject-proposal"]).at(-1)).toBe("ended");
    expect(play("fipa-contract-net", ["i cfp", "p refuse"]).at(-1)).toBe("ended");
  });

  test("a proposal after the deadline of the call is refused; then a new call may be made", () => {
    transcript(
      "fipa-contract-net",
      `
      i cfp by=1000 => called
      p propose at=1001 => ! it by 2023-11-14T22:13:21.000Z, which has passed
      i cfp by=5000 at=2000 => called
      p propose at=5000 => proposed`,
    );
  });
});

describe("fipa-subscribe", () => {
  test("informs go on until the cancel is confirmed; those that crossed it are still good", () => {
    transcript(
      "fipa-subscribe",
      `
      i subscribe => subscribed
      p agree => informing
      p inform => informing
      p inform re=s => informing
      i cancel with=stop => informing cancelling
      p inform re=s => informing cancelling
      i cancel with=stop => ! inform or failure from "bob" to the cancel
      p inform re=stop => ended`,
    );
  });

  test("a failed cancel leaves the subscription as it was", () => {
    transcript(
      "fipa-subscribe",
      `
      i subscribe => subscribed
      p inform => informing
      i cancel with=stop => informing cancelling
      p failure re=stop => informing
      p inform => informing
      p failure => ended`,
    );
  });
});

describe("fipa-propose", () => {
  test("the participant accepts or rejects", () => {
    transcript(
      "fipa-propose",
      `
      i propose => proposed
      i accept-proposal => ! accept-proposal or reject-proposal from "bob", or cancel from "alice"
      p reject-proposal => ended
      i propose => proposed
      p accept-proposal => ended`,
    );
  });
});

describe("in every protocol", () => {
  test("only the initiator cancels, at any time, never too late", () => {
    transcript(
      "fipa-request",
      `
      i request by=10 => requested
      p cancel => ! agree, refuse, failure or inform from "bob", or cancel from "alice"
      i cancel with=stop at=99 => requested cancelling
      p inform => ended`,
    );
    transcript(
      "fipa-contract-net",
      `
      i cfp => called
      p propose by=10 => proposed
      i accept-proposal at=11 => ! it by 2023-11-14T22:13:20.010Z, which has passed
      i cancel at=11 => proposed cancelling
      i accept-proposal => ! inform or failure from "bob" to the cancel
      p agree => ! inform or failure from "bob" to the cancel
      p inform => ended`,
    );
  });

  test("the message that it came by, seen again, changes nothing", () => {
    const request = said("fipa-request", "i", "request");
    const opened = advance(null, request, now_ms);
    const conversation = opened.kind === "ok" ? opened.conversation : null;
    expect(advance(conversation, request, now_ms)).toEqual({ kind: "ok", conversation });
    const another = said("fipa-request", "i", "request");
    expect(advance(conversation, another, now_ms).kind).toBe("out_of_protocol");
  });

  test("a message to somebody else is no part of it", () => {
    const opened = advance(null, said("fipa-propose", "i", "propose"), now_ms);
    const conversation = opened.kind === "ok" ? opened.conversation : null;
    for (const [sender, receiver] of [
      ["alice", "carol"],
      ["bob", "carol"],
    ] as const) {
      const astray = said("fipa-propose", "i", "not-understood", { sender, receiver });
      expect(advance(conversation, astray, now_ms)).toEqual({
        kind: "out_of_protocol",
        expected: 'a message between "alice" and "bob"',
      });
    }
  });

  test("an unconfirmed cancel may be answered by the message's id", () => {
    const id = testMessageId(ids.next + 2);
    expect(play("fipa-subscribe", ["i subscribe", "p agree", "i cancel", `p inform re=${id}`]).at(-1)).toBe(
      "ended",
    );
  });

  test("reply_by binds the other side's next message only", () => {
    transcript(
      "fipa-request",
      `
      i request by=10 => requested
      p agree at=10 => agreed
      p inform at=999999 => ended`,
    );
  });

  test.each(protocols.map(({ name, opening }) => [name, Object.keys(opening)[0] as Performative] as const))(
    "%s: not-understood of either side ends it, and is not answered when it comes late",
    (name, opening) => {
      for (const who of ["i", "p"]) {
        const ends = play(name, [`i ${opening}`, `${who} not-understood`, "p not-understood"]);
        expect(ends.slice(1)).toEqual(["ended", "ended"]);
      }
      expect(play(name, ["p not-understood"])[0]).toMatch(/^! .* first$/);
      expect(play(name, [`i ${opening}`, "x not-understood"])[1]).toMatch(/^! a message between/);
    },
  );

  test("answers go to reply_to, and an agent may talk to itself", () => {
    const opened = advance(null, said("fipa-request", "i", "request", { replyTo: "carol@node-3" }), now_ms);
    const conversation = opened.kind === "ok" ? opened.conversation : null;
    const toCarol = said("fipa-request", "p", "agree", { receiver: "carol" });
    expect(advance(conversation, toCarol, now_ms)).toMatchObject({
      kind: "ok",
      conversation: { state: "agreed" },
    });
    const self = { sender: "alice", receiver: "alice@node-1" };
    const own = advance(null, said("fipa-request", "i", "request", self), now_ms);
    expect(
      advance(own.kind === "ok" ? own.conversation : null, said("fipa-request", "p", "inform", self), now_ms)
        .kind,
    ).toBe("ok");
  });

  test("states named by turns exist, and each leads to the end", () => {
    for (const { states, opening } of protocols) {
      const names = Object.keys(states);
      for (const state of Object.values(opening)) expect(names).toContain(state);
      for (const turns of Object.values(states)) {
        expect(turns.length).toBeGreaterThan(0);
        for (const { to } of turns) expect([...names, "ended"]).toContain(to);
      }
      const ending = new Set(["ended"]);
      for (let pass = 0; pass < names.length; pass++) {
        for (const name of names) if (states[name]?.some(({ to }) => ending.has(to))) ending.add(name);
      }
      expect(names.filter((name) => !ending.has(name))).toEqual([]);
    }
  });

  test("any sequence of messages keeps it whole, and a refused one changes nothing", () => {
    const line = fc.record({
      who: fc.constantFrom("i", "p", "x"),
      performative: fc.constantFrom(...performatives),
      inReplyTo: fc.constantFrom("", "stop"),
      replyBy_ms: fc.constantFrom(0, now_ms + 5),
      at: fc.integer({ min: 0, max: 10 }),
    });
    fc.assert(
      fc.property(fc.constantFrom(...protocols), fc.array(line, { maxLength: 12 }), (rules, lines) => {
        let conversation: Conversation | null = null;
        for (const { who, performative, at, ...more } of lines) {
          const before: string = JSON.stringify(conversation);
          const step = advance(
            conversation,
            said(rules.name, who, performative, { replyWith: "stop", ...more }),
            now_ms + at,
          );
          expect(JSON.stringify(conversation)).toBe(before);
          if (step.kind === "out_of_protocol") {
            expect(step.expected.length).toBeGreaterThan(0);
            continue;
          }
          conversation = step.conversation;
          expect([...Object.keys(rules.states), "ended"]).toContain(conversation.state);
          expect(conversation.id).toBe("c-1");
        }
      }),
    );
  });
});
