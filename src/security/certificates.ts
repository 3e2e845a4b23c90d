/**
 * The cluster's certificate authority and what it issues. The CA's key is derived from the cluster key, so
 * every node holding that key has the same CA and issues its own certificate at start; none is stored.
 * Who holds the cluster key can therefore be any node: the key is the trust, certificates carry the names.
 */
import type { KeyObject } from "node:crypto";
import { createECDH, createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { assert } from "../base/assert.ts";
import { reasonOf } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import { namePattern } from "../base/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { PeerVerdict, StreamIdentity } from "../ports/streams.ts";
import type { AlternativeName } from "./certificate-encoding.ts";
import { encodeCertificate } from "./certificate-encoding.ts";
import { pem } from "./der.ts";
import { deriveKey } from "./keyring.ts";

/** A node that runs longer issues itself a new one at two thirds of this. */
export const nodeCertificateLife_ms = 90 * 86_400_000;
/** Clocks of a cluster may differ this much. */
const backdating_ms = 3_600_000;
const authorityFrom_ms = Date.UTC(2020, 0, 1);
/** RFC 5280: "no well-defined expiration date". The cluster key is what is rotated, not this. */
const authorityTo_ms = Date.UTC(9999, 11, 31, 23, 59, 59);
const serial_bytes = 16;
/** The order n of the group P-256 (SEC 2). */
const groupOrder = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export interface CertificateAuthority {
  readonly name: string;
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
  readonly pem: string;
}

/** The same subject, key and serial on every node; only the signature on itself is made anew. */
export function certificateAuthority(clusterKey: Uint8Array): CertificateAuthority {
  const key = privateKeyOf(deriveKey(clusterKey, "certificate authority", undefined, 48));
  const serial = positive(deriveKey(clusterKey, "certificate authority identity", undefined, serial_bytes));
  const name = `Caxton cluster ${Buffer.from(serial.subarray(0, 4)).toString("hex")}`;
  const der = encodeCertificate({
    subject: name,
    issuer: name,
    serial,
    notBefore_ms: authorityFrom_ms,
    notAfter_ms: authorityTo_ms,
    key,
    issuerKey: key,
    authority: true,
    usages: [],
    alternativeNames: [],
  });
  return { name, key, certificate: new X509Certificate(der), pem: pem("CERTIFICATE", der) };
}

export interface IssuedCertificate {
  readonly certificate: string;
  readonly key: string;
  readonly serial: string;
  readonly notAfter_ms: number;
}

/** What a node shows on its peer streams, as client and as server: its id, and `caxton://<cluster>/<id>` as URI. */
export function issueNodeCertificate(
  authority: CertificateAuthority,
  node: NodeId,
  cluster: string,
  world: { readonly clock: Clock; readonly entropy: Entropy },
): IssuedCertificate {
  const name: AlternativeName = { kind: "uri", name: nodeUri(cluster, node) };
  return issue(authority, node, ["server", "client"], [name], world);
}

/** For the HTTPS listener of the API. `hosts` are names and IP addresses. It can never pass as a node's. */
export function issueServerCertificate(
  authority: CertificateAuthority,
  hosts: readonly string[],
  world: { readonly clock: Clock; readonly entropy: Entropy },
): IssuedCertificate {
  const names = hosts.map((host): AlternativeName => ({
    kind: isIP(host) === 0 ? "dns" : "address",
    name: host,
  }));
  return issue(authority, "Caxton API", ["server"], names, world);
}

/** A node's identity for the `Streams` port, with a fresh certificate. */
export function nodeIdentity(
  authority: CertificateAuthority,
  node: NodeId,
  cluster: string,
  world: { readonly clock: Clock; readonly entropy: Entropy },
): StreamIdentity & IssuedCertificate {
  return {
    ...issueNodeCertificate(authority, node, cluster, world),
    ca: authority.pem,
    verify: (certificate) => verifyNodeCertificate(certificate, authority, cluster, world.clock.wall_ms()),
  };
}

/** An identity that was issued elsewhere in this process, by one that holds the CA's key: only PEM texts came here. */
export function issuedIdentity(
  issued: { readonly ca: string; readonly certificate: string; readonly key: string },
  cluster: string,
  clock: Clock,
): StreamIdentity {
  const authority = { certificate: new X509Certificate(issued.ca) };
  return {
    ca: issued.ca,
    certificate: issued.certificate,
    key: issued.key,
    verify: (certificate) => verifyNodeCertificate(certificate, authority, cluster, clock.wall_ms()),
  };
}

/**
 * Whether a certificate (DER) names a node of this cluster: issued by our CA, valid now, for both ends of
 * a connection, one URI that names this cluster and the node of the subject. Never throws.
 */
export function verifyNodeCertificate(
  der: Uint8Array,
  authority: Pick<CertificateAuthority, "certificate">,
  cluster: string,
  wall_ms: number,
): PeerVerdict {
  try {
    return judge(new X509Certificate(der), authority, cluster, wall_ms);
  } catch (error) {
    return refused("wrong_key", `its certificate cannot be read: ${reasonOf(error)}`);
  }
}

function judge(
  leaf: X509Certificate,
  authority: Pick<CertificateAuthority, "certificate">,
  cluster: string,
  wall_ms: number,
): PeerVerdict {
  const { certificate } = authority;
  if (
    leaf.issuer !== certificate.subject ||
    !leaf.checkIssued(certificate) ||
    !leaf.verify(certificate.publicKey)
  ) {
    return refused("wrong_key", "its certificate does not come from our cluster key");
  }
  if (wall_ms < Date.parse(leaf.validFrom)) {
    return refused("wrong_key", `its certificate is valid from ${leaf.validFrom}: are the clocks right?`);
  }
  if (wall_ms > Date.parse(leaf.validTo))
    return refused("wrong_key", `its certificate expired on ${leaf.validTo}`);
  // Deno tells the basic usages here, no extended ones; only the URI then tells a node's from the API's.
  const usages = (leaf.keyUsage ?? []).filter((usage) => usage.startsWith("1."));
  const bothEnds = usages.includes("1.3.6.1.5.5.7.3.1") && usages.includes("1.3.6.1.5.5.7.3.2");
  if (leaf.ca || (usages.length > 0 && !bothEnds)) {
    return refused("wrong_key", "its certificate is not one of a node");
  }
  // The whole text must be the one URI: a second name would stand after a comma.
  const names = /^URI:caxton:\/\/([^/,]+)\/([^/,]+)$/.exec(leaf.subjectAltName ?? "");
  const [, itsCluster = "", node = ""] = names ?? [];
  if (!namePattern.test(itsCluster) || !namePattern.test(node) || leaf.subject !== `CN=${node}`) {
    return refused("wrong_key", "its certificate does not name a node");
  }
  if (itsCluster !== cluster)
    return refused("wrong_cluster", `it belongs to the cluster "${itsCluster}", not "${cluster}"`);
  return { kind: "accepted", node: node as NodeId, serial: leaf.serialNumber.toLowerCase() };
}

function issue(
  authority: CertificateAuthority,
  subject: string,
  usages: readonly ("server" | "client")[],
  alternativeNames: readonly AlternativeName[],
  { clock, entropy }: { readonly clock: Clock; readonly entropy: Entropy },
): IssuedCertificate {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const now_ms = clock.wall_ms();
  const notAfter_ms = now_ms + nodeCertificateLife_ms;
  const serial = positive(entropy.bytes(serial_bytes));
  const der = encodeCertificate({
    subject,
    issuer: authority.name,
    serial,
    notBefore_ms: now_ms - backdating_ms,
    notAfter_ms,
    key: privateKey,
    issuerKey: authority.key,
    authority: false,
    usages,
    alternativeNames,
  });
  return {
    certificate: pem("CERTIFICATE", der),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    serial: Buffer.from(serial).toString("hex"),
    notAfter_ms,
  };
}

function nodeUri(cluster: string, node: NodeId): string {
  assert(namePattern.test(cluster), "a cluster's name follows the rule of names");
  return `caxton://${cluster}/${node}`;
}

/** Reduces 48 bytes to a private key in [1, n−1] (FIPS 186-5, A.2.1: extra bits make the bias negligible). */
function privateKeyOf(seed: Uint8Array): KeyObject {
  const scalar = (BigInt(`0x${Buffer.from(seed).toString("hex")}`) % (groupOrder - 1n)) + 1n;
  const d = Buffer.from(scalar.toString(16).padStart(64, "0"), "hex");
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(d);
  const point = ecdh.getPublicKey();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)];
  const text = (part: Buffer): string => part.toString("base64url");
  return createPrivateKey({
    format: "jwk",
    key: { kty: "EC", crv: "P-256", d: text(d), x: text(x), y: text(y) },
  });
}

/** A serial number that is positive and not zero, and keeps its length. */
function positive(bytes: Uint8Array): Uint8Array {
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
  return bytes;
}

function refused(code: "wrong_key" | "wrong_cluster", reason: string): PeerVerdict {
  return { kind: "refused", code, reason };
}
