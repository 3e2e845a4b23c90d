import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatHostPort, isIpAddress, isLoopback, parseHostPort } from "../../../src/base/host-port.ts";

describe("an address", () => {
  test.each([
    ["node-1:7946", "node-1", 7946],
    ["a.example.com:1", "a.example.com", 1],
    ["10.0.0.1:0", "10.0.0.1", 0],
    ["[::1]:65535", "::1", 65535],
  ])("%s is read and written back", (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
    expect(formatHostPort({ host, port })).toBe(text);
  });

  test.each([
    "",
    "a",
    "a:",
    ":1",
    "a:b",
    "::1:80",
    "a:65536",
    "a b:1",
    "999.1.1.1:1",
    "[zz]:1",
    "-a:1",
    "a/b:1",
    "a:-1",
  ])("%j is refused", (text) => {
    expect(() => parseHostPort(text)).toThrow();
  });

  test("any text is read or refused with a CaxtonError, never anything else", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(formatHostPort(parseHostPort(text)).length).toBeGreaterThan(0);
        } catch (error) {
          expect((error as Error).name).toBe("CaxtonError");
        }
      }),
    );
  });

  test("loopback and addresses are told from the rest", () => {
    expect(["127.0.0.1", "127.9.9.9", "::1", "localhost"].every(isLoopback)).toBe(true);
    expect(["0.0.0.0", "::", "10.0.0.1", "127.example.com"].some(isLoopback)).toBe(false);
    expect([isIpAddress("1.2.3.4"), isIpAddress("::1"), isIpAddress("node-1")]).toEqual([true, true, false]);
  });
});
