/** What both ends of a TLS stream do first: judge the certificate that the other end has shown. */
import type { TLSSocket } from "node:tls";
import type { PeerVerdict, StreamIdentity } from "../../ports/streams.ts";

/** The runtime's check of the chain and the identity's own must both hold. */
export function judgePeer(socket: TLSSocket, identity: StreamIdentity): PeerVerdict {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return { kind: "refused", code: "wrong_key", reason: "it showed no certificate" };
  const verdict = identity.verify(new Uint8Array(certificate.raw));
  if (verdict.kind === "refused" || socket.authorized) return verdict;
  return {
    kind: "refused",
    code: "wrong_key",
    reason: `its certificate is not valid: ${socket.authorizationError}`,
  };
}
