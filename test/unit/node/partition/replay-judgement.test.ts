import { describe, expect, test } from "vitest";
import { judgeAnswer } from "../../../../src/node/partition/replay-judgement.ts";

const replay = { principal: null as never, begun: false, expected: 5, before: 5, after: 6 };

async function told(changes: Partial<typeof replay> | { readonly after: null }): Promise<string> {
  const judgement = await judgeAnswer(Response.json({}), { ...replay, ...changes });
  return judgement.kind === "settled" ? judgement.detail : judgement.kind;
}

describe("what is said of a write that took effect", () => {
  test("the version that is there now, and that it replaced another one than it was meant for", async () => {
    expect(await told({})).toBe("now at version 6");
    expect(await told({ before: 7, after: 8 })).toBe("now at version 8, over 7, which was written meanwhile");
    expect(await told({ after: null })).toBe("");
    // It took effect at an earlier try, with a later one of the same key behind it.
    expect(await told({ begun: true, before: 7, after: 6 })).toBe("now at version 6");
  });

  test("that it is gone: a removal leaves no version", async () => {
    expect(await told({ after: 0 })).toBe("gone now");
    expect(await told({ before: 7, after: 0 })).toBe("gone now, with version 7, which was written meanwhile");
  });
});
