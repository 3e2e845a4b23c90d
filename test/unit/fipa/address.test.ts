import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatAddress, parseAddress, partyOf, routingRefusal } from "../../../src/fipa/address.ts";

describe("parseAddress", () => {
  test.each([
    ["echo", { kind: "agent", name: "echo", node: null }],
    ["echo-2.b_c@node-1", { kind: "agent", name: "echo-2.b_c", node: "node-1" }],
    ["broadcast://workers", { kind: "broadcast", group: "workers" }],
    ["capability://translate", { kind: "capability", name: "translate" }],
    ["~client.3f2a@node-1", { kind: "client", name: "~client.3f2a", node: "node-1" }],
  ])("reads %s", (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });

  test.each([
    "",
    "@",
    "echo@",
    "@node",
    "a@b@c",
    "-echo",
    ".echo",
    "echo ",
    " echo",
    "e/cho",
    "../echo",
    "echo@no de",
    "écho",
    "x".repeat(65),
    `echo@${"n".repeat(65)}`,
    "broadcast://",
    "broadcast://a b",
    "broadcast://a@node-1",
    "capability://",
    "capability://-x",
    "http://echo",
    "~",
    "~client",
    "~@node-1",
    "~~x@node-1",
    "~a b@node-1",
    `~${"x".repeat(130)}@n`,
    "echo\n",
    "echo@node-1\u0000",
  ])("refuses %j, saying what and why", (text) => {
    const address = parseAddress(text);
    expect(address.kind).toBe("invalid");
    expect(address.kind === "invalid" ? address.reason : "").toMatch(/^Address ".*": its? .*is not /);
  });

  test("what is valid reads back from its text, and any text gives an answer", () => {
    const parts = fc.array(
      fc.constantFrom("a", "Z", "9", ".", "-", "_", "~", "@", "broadcast://", "capability://", " "),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          parts.map((list) => list.join("")),
        ),
        (text) => {
          const address = parseAddress(text);
          if (address.kind !== "invalid") expect(formatAddress(address)).toBe(text);
        },
      ),
    );
  });
});

test("groups and capabilities are understood, and said to be not routed yet", () => {
  expect(routingRefusal("echo@node-1")).toBeNull();
  expect(routingRefusal("~client.1@node-1")).toBeNull();
  expect(routingRefusal("broadcast://all")).toBe(
    'Receiver "broadcast://all" is a broadcast group, and groups are not routed yet; send to agents by name',
  );
  expect(routingRefusal("capability://ocr")).toContain("capabilities are not routed yet");
  expect(routingRefusal("a b")).toContain("is not 1 to 64 letters");
});

test.each([
  ["echo", "echo"],
  ["echo@node-1", "echo"],
  ["~alice.3f2a@node-1", "~alice"],
  ["~alice.b.77c0@node-2", "~alice.b"],
  ["~alice@node-2", "~alice"],
])("the party of %s is %s", (address, party) => {
  expect(partyOf(address)).toBe(party);
});
