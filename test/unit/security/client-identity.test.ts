/** Names of clients in addresses, and ids that follow from their idempotency keys. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseAddress } from "../../../src/fipa/address.ts";
import { clientNameOf, idempotentId, messageIdentityKey } from "../../../src/security/client-identity.ts";

const secret = messageIdentityKey(new Uint8Array(32).fill(1));

test("any subject has a name that an address can carry, and no two share one", () => {
  const names = new Map<string, string>();
  fc.assert(
    fc.property(fc.oneof(fc.string({ minLength: 1 }), fc.stringMatching(/^[a@._-]{1,5}$/)), (subject) => {
      const name = clientNameOf(subject);
      expect(parseAddress(`~${name}.${"0".repeat(32)}@node-1`).kind).toBe("client");
      expect(name).not.toContain(".");
      expect(names.get(name) ?? subject).toBe(subject);
      names.set(name, subject);
    }),
  );
});

test("a plain subject stays as it is; others are told apart", () => {
  expect(clientNameOf("admin@node-1")).not.toBe(clientNameOf("admin_node-1"));
  expect(clientNameOf("alice-2_b")).toBe("alice-2_b");
  expect(clientNameOf("a@b").length).toBeGreaterThan(32);
  expect(clientNameOf("a".repeat(40))).not.toBe(clientNameOf("a".repeat(41)));
});

test("an id follows from secret, principal and key, each of them whole", () => {
  const id = idempotentId(secret, "alice", "k");
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(idempotentId(secret, "alice", "k")).toBe(id);
  expect(idempotentId(secret, "alice\nk", "")).not.toBe(idempotentId(secret, "alice", "k\n"));
  expect(idempotentId(messageIdentityKey(new Uint8Array(32)), "alice", "k")).not.toBe(id);
});
