/** What nodes compare to see that they share keys, without telling any key. */
import { createHash } from "node:crypto";
import { keyIdOf } from "../security/keyring.ts";
import type { AuthFingerprints } from "./cluster-service.ts";
import type { Foundation } from "./foundation.ts";

export function fingerprintsOf({ gossipKeys, authority }: Foundation): AuthFingerprints {
  const [sealing] = gossipKeys;
  const gossip = sealing === undefined ? "" : Buffer.from(keyIdOf(sealing)).toString("hex");
  const publicKey = authority.certificate.publicKey.export({ type: "spki", format: "der" });
  return { gossip, ca: createHash("sha256").update(publicKey).digest("hex") };
}
