/** The newest death certificate of each node, until it expires. */
import type { NodeId } from "../base/ids.ts";
import type { DeathCertificate } from "../wire/death-certificate.ts";

interface Kept {
  readonly certificate: DeathCertificate;
  readonly until: number;
}

const keptLimit = 4_096;

export class CertificateTable {
  readonly #kept = new Map<NodeId, Kept>();

  get size(): number {
    return this.#kept.size;
  }

  /** False when it says nothing new. */
  keep(certificate: DeathCertificate, until: number): boolean {
    const { node, boot } = certificate;
    if ((this.#kept.get(node)?.certificate.boot ?? -1) >= boot) return false;
    this.#kept.delete(node);
    this.#kept.set(node, { certificate, until });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= keptLimit) break;
      this.#kept.delete(oldest);
    }
    return true;
  }

  /** The certificate that this life of the node has ended, if there is one. */
  covers(node: NodeId, boot: number): DeathCertificate | undefined {
    const certificate = this.#kept.get(node)?.certificate;
    return certificate && certificate.boot >= boot ? certificate : undefined;
  }

  dropBefore(now: number): void {
    for (const [node, { until }] of this.#kept) if (until <= now) this.#kept.delete(node);
  }
}
