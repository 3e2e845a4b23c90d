import fc from "fast-check";
import { expect, test } from "vitest";
import type { SendRequest } from "../../../../src/api/services.ts";
import type { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import { IntakeGuard, type IntakePlace } from "../../../../src/node/operator/intake-guard.ts";
import type { Priority } from "../../../../src/wire/message.ts";

function request(priority: Priority = "normal"): Pick<SendRequest, "message"> {
  return { message: { priority } as SendRequest["message"] };
}

const whole: IntakePlace = { action: () => null, nodeOf: () => "node-2" };

function guardOf(shedPercentage: number, isolated: readonly string[] = [], place = whole): IntakeGuard {
  return new IntakeGuard("node-1", { shedPercentage, isolated: new Set(isolated as NodeId[]) }, place);
}

function refusals(guard: IntakeGuard, messages: number, priority?: Priority): number {
  let refused = 0;
  for (let i = 0; i < messages; i++) {
    try {
      guard.check(request(priority));
    } catch (error) {
      expect((error as CaxtonError).code).toBe("too_many_requests");
      refused++;
    }
  }
  return refused;
}

test("exactly the share that was asked for is refused", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 1, max: 300 }),
      (percentage, messages) => {
        const guard = guardOf(percentage);
        const refused = refusals(guard, messages);
        expect(refused).toBe(Math.floor((messages * percentage) / 100));
        expect(guard.refused).toBe(refused);
      },
    ),
  );
});

test("what is critical always goes through", () => {
  expect(refusals(guardOf(100), 50, "critical")).toBe(0);
  expect(refusals(guardOf(100), 50, "high")).toBe(50);
});

test("a node that is isolated takes nothing, others do", () => {
  const refuse = (guard: IntakeGuard) => (): void => guard.check(request("critical"));
  expect(refuse(guardOf(0, ["node-1"]))).toThrow("is isolated by an operator");
  expect(refuse(guardOf(0, ["node-2"]))).not.toThrow();
});

test("a minority that is local only refuses what is for another node at once, and takes what is for its own", () => {
  const where: Record<string, string> = { here: "node-1", there: "node-2" };
  const guard = guardOf(0, [], { action: () => "local-only", nodeOf: (receiver) => where[receiver] });
  const sendTo = (receiver: string) => (): void =>
    guard.check({ message: { priority: "normal", receiver } as SendRequest["message"] });
  expect(sendTo("there")).toThrow('"there" is on node "node-2": nothing was kept');
  expect(sendTo("here")).not.toThrow();
  // Nobody is known to have it: its refusal says so.
  expect(sendTo("nowhere")).not.toThrow();
});
