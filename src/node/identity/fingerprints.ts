/** What nodes compare to see that they share keys, without telling any key. */
import { createHash } from "node:crypto";
import { decodeUtf8 } from "../../wire/cursor.ts";
import { keyIdText } from "../../security/gossip-keys.ts";
import type { Foundation } from "../foundation.ts";

/** What must fit together on every node of a cluster; as JSON between nodes. */
export interface AuthFingerprints {
  /** The key that seals. */
  readonly gossip: string;
  /** All that it accepts. */
  readonly accepts: readonly string[];
  readonly ca: string;
}

/** Whether two nodes fit together, and what the other one seals with. */
export interface AuthComparison {
  readonly gossip: boolean;
  readonly certificate: boolean;
  readonly sealsWith: string;
  /** Both accept the other's key, but seal with different ones. */
  readonly rotating: boolean;
}

/** As of now: keys rotate. */
export function fingerprintsOf({ gossipKeys, authority }: Foundation): AuthFingerprints {
  const accepts = gossipKeys.accepted.map(keyIdText);
  const publicKey = authority.certificate.publicKey.export({ type: "spki", format: "der" });
  return {
    gossip: accepts[0] ?? "",
    accepts,
    ca: createHash("sha256").update(publicKey).digest("hex"),
  };
}

/** Two nodes match when each accepts what the other seals with, as in the middle of a rotation. */
export function compareFingerprints(own: AuthFingerprints, answer: Uint8Array): AuthComparison {
  const theirs = JSON.parse(decodeUtf8(answer)) as Partial<AuthFingerprints>;
  const { gossip = "", ca } = theirs;
  const accepts = theirs.accepts ?? [gossip];
  const fit = own.accepts.includes(gossip) && accepts.includes(own.gossip);
  return {
    gossip: fit,
    certificate: ca === own.ca,
    sealsWith: gossip,
    rotating: fit && gossip !== own.gossip,
  };
}
