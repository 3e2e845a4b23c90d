import fc from "fast-check";
import { getPath } from "hono/utils/url";
import { describe, expect, it } from "vitest";
import { pathOf } from "../../../src/api/http/path.ts";

describe("the path of a request", () => {
  it("is the one that Hono has", () => {
    const part = fc.string({
      unit: fc.constantFrom("a", "/", "?", "#", "%", "%2F", "2", "é", "=", ".", ":"),
    });
    fc.assert(
      fc.property(fc.constantFrom("http://h", "https://h:1", "http://[::1]:80"), part, (origin, rest) => {
        const request = new Request(`${origin}/${rest}`);
        expect(pathOf(request)).toBe(getPath(request));
      }),
    );
  });
});
