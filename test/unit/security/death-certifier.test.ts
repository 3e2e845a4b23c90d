import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { createCertifier } from "../../../src/security/death-certifier.ts";

const node = "node-1" as NodeId;
const [first, second] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const cluster = { clusterName: "c", clusterUuid: "0192f0c0-0000-7000-8000-000000000001" };

describe("the signature of a death certificate", () => {
  test("is good for this cluster, node and boot epoch, and for nothing else", () => {
    const certifier = createCertifier({ ...cluster, keys: [first] });
    const signed = certifier.sign(node, 7);
    expect(certifier.verify(signed)).toBe(true);
    expect(certifier.verify({ ...signed, boot: 8 })).toBe(false);
    expect(certifier.verify({ ...signed, node: "node-2" as NodeId })).toBe(false);
    const flipped = signed.signature.map((byte, i) => (i === 31 ? byte ^ 1 : byte));
    expect(certifier.verify({ ...signed, signature: flipped })).toBe(false);
    const elsewhere = createCertifier({ ...cluster, clusterName: "other", keys: [first] });
    expect(elsewhere.verify(signed)).toBe(false);
  });

  test("is good under every accepted key while keys rotate", () => {
    const signed = createCertifier({ ...cluster, keys: [first] }).sign(node, 7);
    expect(createCertifier({ ...cluster, keys: [second, first] }).verify(signed)).toBe(true);
    expect(createCertifier({ ...cluster, keys: [second] }).verify(signed)).toBe(false);
  });
});
