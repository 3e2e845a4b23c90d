import "reflect-metadata";
import { X509Certificate } from "node:crypto";
import * as x509 from "@peculiar/x509";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeId } from "../../../src/base/ids.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { seededEntropy } from "../../../src/platform/memory/entropy.ts";
import type { PeerVerdict } from "../../../src/ports/streams.ts";
import { addressBytes, encodeCertificate } from "../../../src/security/certificate-encoding.ts";
import {
  certificateAuthority,
  issueNodeCertificate,
  issueServerCertificate,
  nodeCertificateLife_ms,
  nodeIdentity,
  verifyNodeCertificate,
} from "../../../src/security/certificates.ts";

const clock = new VirtualClock();
const world = { clock, entropy: seededEntropy(1) };
const node = parseNodeId("node-1");
const authority = certificateAuthority(new Uint8Array(32).fill(1));

const derOf = (pemText: string): Uint8Array => new Uint8Array(new X509Certificate(pemText).raw);
const verdict = (pemText: string, wall_ms = clock.wall_ms(), cluster = "prod"): PeerVerdict =>
  verifyNodeCertificate(derOf(pemText), authority, cluster, wall_ms);
const reason = (found: PeerVerdict): string =>
  found.kind === "refused" ? `${found.code}: ${found.reason}` : found.kind;

test("one cluster key gives one authority: the same key and names, whatever the signature", () => {
  const again = certificateAuthority(new Uint8Array(32).fill(1));
  const other = certificateAuthority(new Uint8Array(32).fill(2));
  expect(again.certificate.publicKey.export({ type: "spki", format: "pem" })).toBe(
    authority.certificate.publicKey.export({ type: "spki", format: "pem" }),
  );
  expect(again.certificate.serialNumber).toBe(authority.certificate.serialNumber);
  expect(again.certificate.subject).toBe(authority.certificate.subject);
  expect(other.certificate.subject).not.toBe(authority.certificate.subject);
  expect(authority.certificate.ca).toBe(true);
  // Each one's certificates are good at the other.
  const issued = issueNodeCertificate(again, node, "prod", world);
  expect(verdict(issued.certificate)).toEqual({ kind: "accepted", node, serial: issued.serial });
});

test("the derived private key fits the derived public key for any cluster key", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
      const { certificate } = certificateAuthority(key);
      expect(certificate.verify(certificate.publicKey)).toBe(true);
    }),
    { numRuns: 20 },
  );
});

test("another parser reads the same from a node's certificate", async () => {
  const issued = issueNodeCertificate(authority, node, "prod", world);
  const read = new x509.X509Certificate(issued.certificate);
  expect(read.subject).toBe("CN=node-1");
  expect(read.serialNumber).toBe(issued.serial);
  expect(read.notAfter.getTime()).toBe(issued.notAfter_ms);
  expect(read.notBefore.getTime()).toBe(clock.wall_ms() - 3_600_000);
  expect(read.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON()).toEqual([
    { type: "url", value: "caxton://prod/node-1" },
  ]);
  expect(read.getExtension(x509.KeyUsagesExtension)?.usages).toBe(x509.KeyUsageFlags.digitalSignature);
  expect(read.getExtension(x509.BasicConstraintsExtension)?.ca).toBe(false);
  const ca = new x509.X509Certificate(authority.pem);
  expect(ca.getExtension(x509.KeyUsagesExtension)?.usages).toBe(
    x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
  );
  expect(ca.getExtension(x509.BasicConstraintsExtension)).toMatchObject({ ca: true, pathLength: 0 });
  expect(ca.notAfter.getUTCFullYear()).toBe(9_999);
  expect(read.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId).toBe(
    ca.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId,
  );
});

test("a certificate of another key, another cluster, before or after its time is refused with the reason", () => {
  const issued = issueNodeCertificate(authority, node, "prod", world);
  const foreign = certificateAuthority(new Uint8Array(32).fill(9));
  const theirs = issueNodeCertificate(foreign, node, "prod", world).certificate;
  expect(reason(verdict(theirs))).toContain("wrong_key: its certificate does not come from our cluster key");
  expect(reason(verdict(issued.certificate, clock.wall_ms(), "test"))).toBe(
    'wrong_cluster: it belongs to the cluster "prod", not "test"',
  );
  expect(reason(verdict(issued.certificate, clock.wall_ms() - 3_700_000))).toContain("are the clocks right?");
  expect(reason(verdict(issued.certificate, clock.wall_ms() + nodeCertificateLife_ms + 1_000))).toContain(
    "expired",
  );
  expect(verdict(issued.certificate).kind).toBe("accepted");
});

test("an impostor's own authority with our authority's name is refused", () => {
  const foreign = certificateAuthority(new Uint8Array(32).fill(9));
  const forged = issueNodeCertificate({ ...foreign, name: authority.name }, node, "prod", world).certificate;
  expect(reason(verdict(forged))).toContain("does not come from our cluster key");
});

test("neither the authority itself nor an API listener's certificate passes as a node's", () => {
  const api = issueServerCertificate(authority, ["localhost", "127.0.0.1", "::1"], world);
  expect(new X509Certificate(api.certificate).subjectAltName).toBe(
    "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
  );
  expect(reason(verdict(api.certificate))).toContain("not one of a node");
  expect(reason(verdict(authority.pem))).toContain("not one of a node");
});

test.each([
  ["a second name", "node-1", ["caxton://prod/node-1", "caxton://prod/node-2"]],
  ["a name hidden behind a comma", "node-1", ["caxton://prod/node-1, URI:caxton://prod/node-2"]],
  ["another node in its subject", "node-2", ["caxton://prod/node-1"]],
  ["a path too much", "node-1", ["caxton://prod/node-1/x"]],
  ["no name", "node-1", []],
  ["a subject of two parts", "node-1\nCN=node-2", ["caxton://prod/node-1"]],
])("a signed certificate with %s is refused", (_what, subject, names) => {
  const der = encodeCertificate({
    subject,
    issuer: authority.name,
    serial: new Uint8Array(16).fill(0x42),
    notBefore_ms: clock.wall_ms(),
    notAfter_ms: clock.wall_ms() + 1_000,
    key: authority.key,
    issuerKey: authority.key,
    authority: false,
    usages: ["server", "client"],
    alternativeNames: names.map((name) => ({ kind: "uri", name })),
  });
  expect(reason(verifyNodeCertificate(der, authority, "prod", clock.wall_ms()))).toBe(
    "wrong_key: its certificate does not name a node",
  );
});

test("any bytes in place of a certificate are refused, never thrown", () => {
  const good = derOf(issueNodeCertificate(authority, node, "prod", world).certificate);
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 600 }),
      fc.nat(good.length - 1),
      fc.integer({ min: 1, max: 255 }),
      (bytes, at, flip) => {
        expect(verifyNodeCertificate(bytes, authority, "prod", clock.wall_ms()).kind).toBe("refused");
        const changed = good.slice();
        changed[at] = (changed[at] as number) ^ flip;
        expect(verifyNodeCertificate(changed, authority, "prod", clock.wall_ms()).kind).toBe("refused");
        expect(verifyNodeCertificate(good.slice(0, at), authority, "prod", clock.wall_ms()).kind).toBe(
          "refused",
        );
      },
    ),
    { numRuns: 300 },
  );
});

test("an identity judges by its own cluster, key and clock", () => {
  const identity = nodeIdentity(authority, node, "prod", world);
  expect(identity.verify(derOf(identity.certificate))).toMatchObject({ kind: "accepted", node });
});

test.each([
  ["127.0.0.1", "7f000001"],
  ["::1", "00000000000000000000000000000001"],
  ["::", "00000000000000000000000000000000"],
  ["2001:db8::ff00:42:8329", "20010db8000000000000ff0000428329"],
  ["fe80:1:2:3:4:5:6:7", "fe800001000200030004000500060007"],
  ["::ffff:10.0.0.1", "00000000000000000000ffff0a000001"],
  ["1::", "00010000000000000000000000000000"],
])("the address %s is %s", (text, hex) => {
  expect(Buffer.from(addressBytes(text)).toString("hex")).toBe(hex);
});
