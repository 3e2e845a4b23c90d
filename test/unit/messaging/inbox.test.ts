/** An inbox: order within a stream whatever the priorities, bounds, and shares between priorities. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Inbox, type Mail } from "../../../src/messaging/inbox.ts";
import { decodeMessage, type Priority } from "../../../src/wire/message.ts";
import { encodedMessage } from "../../support/messages.ts";

const unbounded = { messages: 1e6, bytes: 1e9 };
const mail = (n: number, sender: string, conversationId: string, priority: Priority): Mail => ({
  bytes: encodedMessage(n, { sender, conversationId, priority, content: `${n}` }),
  arrived_ms: 0,
});
const drain = (inbox: Inbox<Mail>): Mail[] => inbox.takeAll();
const numberOf = ({ bytes }: Mail): number => Number(new TextDecoder().decode(decodeMessage(bytes).content));

const arbitraryMail = fc.record({
  sender: fc.constantFrom("a", "b"),
  conversation: fc.constantFrom("", "c-1", "c-2"),
  priority: fc.constantFrom<Priority>("low", "normal", "high", "critical"),
  /** Taken out after this one came in. */
  taken: fc.nat(2),
});

describe("an inbox", () => {
  test("keeps the order of each sender and conversation, and loses nothing", () => {
    fc.assert(
      fc.property(fc.array(arbitraryMail, { maxLength: 60 }), (list) => {
        const inbox = new Inbox<Mail>(unbounded);
        const out: number[] = [];
        for (const [n, { sender, conversation, priority, taken }] of list.entries()) {
          inbox.push(mail(n, sender, conversation, priority));
          for (let i = 0; i < taken; i++) {
            const next = inbox.shift();
            if (next !== undefined) out.push(numberOf(next));
          }
        }
        out.push(...drain(inbox).map(numberOf));
        expect(out.toSorted((a, b) => a - b)).toEqual(list.map((_, n) => n));
        for (const stream of new Set(list.map((each) => `${each.sender} ${each.conversation}`))) {
          const own = out.filter((n) => `${list[n]?.sender} ${list[n]?.conversation}` === stream);
          expect(own).toEqual(own.toSorted((a, b) => a - b));
        }
        expect([inbox.length, inbox.bytes]).toEqual([0, 0]);
      }),
    );
  });

  test("gives the urgent first, and every priority its share", () => {
    const inbox = new Inbox<Mail>(unbounded);
    const names: Priority[] = ["low", "normal", "high", "critical"];
    for (let n = 0; n < 400; n++) inbox.push(mail(n, `s${n}`, "", names[n % 4] as Priority));
    const round = Array.from({ length: 24 }, () => decodeMessage((inbox.shift() as Mail).bytes).priority);
    expect(round.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => "critical"));
    expect(round.slice(10, 18)).toEqual(Array.from({ length: 8 }, () => "high"));
    expect(round.slice(18, 23)).toEqual(Array.from({ length: 5 }, () => "normal"));
    expect(round[23]).toBe("low");
  });

  test("counts what is reserved against its bounds", () => {
    const inbox = new Inbox<Mail>({ messages: 2, bytes: 1e9 });
    expect(inbox.reserve(100)).toBe(true);
    expect(inbox.offer(mail(1, "a", "", "normal"))).toBe(true);
    expect(inbox.offer(mail(2, "a", "", "normal"))).toBe(false);
    inbox.release(100);
    expect(inbox.offer(mail(2, "a", "", "normal"))).toBe(true);
    expect(inbox.reserve(1)).toBe(false);
  });

  test("takes what was accepted before, whatever its bounds", () => {
    const inbox = new Inbox<Mail>({ messages: 1, bytes: 1 });
    inbox.push(mail(1, "a", "", "normal"));
    inbox.push(mail(2, "a", "", "normal"));
    expect(drain(inbox).map(numberOf)).toEqual([1, 2]);
  });

  test("takes no more bytes than its limit, counting what is reserved", () => {
    const one = mail(1, "a", "", "normal");
    const size = one.bytes.length;
    const inbox = new Inbox<Mail>({ messages: 100, bytes: 2 * size });
    expect([inbox.offer(one), inbox.reserve(size), inbox.offer(one), inbox.reserve(1)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    inbox.release(size);
    expect([inbox.offer(one), inbox.bytes]).toEqual([true, 2 * size]);
  });
});
