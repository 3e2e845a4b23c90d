/**
 * One X.509 version 3 certificate over P-256 (RFC 5280, 5480): the fields that Caxton's certificates have, signed
 * by ECDSA with SHA-256. What they mean stands in certificates.ts.
 */
import type { KeyObject } from "node:crypto";
import { createHash, createPublicKey, sign } from "node:crypto";
import { isIP } from "node:net";
import type { Der } from "./der.ts";
import {
  bits,
  integer,
  objectId,
  octets,
  sequence,
  set,
  tagged,
  taggedBytes,
  time,
  truth,
  utf8Text,
} from "./der.ts";
import { encodeUtf8 } from "../wire/cursor.ts";

export interface CertificateFields {
  readonly subject: string;
  readonly issuer: string;
  /** 8 to 20 random bytes. */
  readonly serial: Uint8Array;
  readonly notBefore_ms: number;
  readonly notAfter_ms: number;
  readonly key: KeyObject;
  readonly issuerKey: KeyObject;
  readonly authority: boolean;
  readonly usages: readonly ("server" | "client")[];
  readonly alternativeNames: readonly AlternativeName[];
}

/** `address` is an IPv4 or IPv6 address as text. */
export interface AlternativeName {
  readonly kind: "uri" | "dns" | "address";
  readonly name: string;
}

const ecdsaWithSha256 = sequence(objectId("1.2.840.10045.4.3.2"));
const usageIds = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" };

/** The whole certificate in DER. */
export function encodeCertificate(fields: CertificateFields): Der {
  const publicKey = subjectPublicKey(fields.key);
  const body = sequence(
    tagged(0, integer(Uint8Array.of(2))),
    integer(fields.serial),
    ecdsaWithSha256,
    commonName(fields.issuer),
    sequence(time(fields.notBefore_ms), time(fields.notAfter_ms)),
    commonName(fields.subject),
    publicKey,
    tagged(3, sequence(...extensions(fields, publicKey))),
  );
  return sequence(body, ecdsaWithSha256, bits(sign("sha256", body, fields.issuerKey)));
}

function extensions(fields: CertificateFields, publicKey: Uint8Array): Der[] {
  const issuer = keyIdentifier(subjectPublicKey(fields.issuerKey));
  const list = [
    extension(
      "2.5.29.19",
      true,
      fields.authority ? sequence(truth(true), integer(Uint8Array.of(0))) : sequence(),
    ),
    // digitalSignature, or keyCertSign and cRLSign.
    extension(
      "2.5.29.15",
      true,
      fields.authority ? bits(Uint8Array.of(0x06), 1) : bits(Uint8Array.of(0x80), 7),
    ),
    extension("2.5.29.14", false, octets(keyIdentifier(publicKey))),
    extension("2.5.29.35", false, sequence(taggedBytes(0, issuer))),
  ];
  if (fields.usages.length > 0) {
    list.push(
      extension("2.5.29.37", false, sequence(...fields.usages.map((usage) => objectId(usageIds[usage])))),
    );
  }
  if (fields.alternativeNames.length > 0) {
    list.push(extension("2.5.29.17", false, sequence(...fields.alternativeNames.map(generalName))));
  }
  return list;
}

function extension(id: string, critical: boolean, value: Der): Der {
  return critical
    ? sequence(objectId(id), truth(true), octets(value))
    : sequence(objectId(id), octets(value));
}

function commonName(text: string): Der {
  return sequence(set(sequence(objectId("2.5.4.3"), utf8Text(text))));
}

function generalName({ kind, name }: AlternativeName): Der {
  if (kind === "uri") return taggedBytes(6, encodeUtf8(name));
  if (kind === "dns") return taggedBytes(2, encodeUtf8(name));
  return taggedBytes(7, addressBytes(name));
}

/** Four or sixteen bytes of an address that `isIP` accepts. */
export function addressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split(".").map(Number));
  // The URL parser writes an embedded IPv4 address as two groups.
  const [left = "", right] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  head.forEach((group, i) => view.setUint16(2 * i, Number.parseInt(group, 16)));
  tail.forEach((group, i) => view.setUint16(2 * (8 - tail.length + i), Number.parseInt(group, 16)));
  return bytes;
}

function subjectPublicKey(key: KeyObject): Uint8Array {
  const publicKey = key.type === "public" ? key : createPublicKey(key);
  return new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
}

/** RFC 7093, method 4: a hash of the whole key structure, cut to 20 bytes. */
function keyIdentifier(publicKey: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(publicKey).digest().subarray(0, 20));
}
