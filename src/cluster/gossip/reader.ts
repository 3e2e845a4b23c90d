/** Bytes of packets and frames as records, without those that are signed falsely. Counts what it drops. */
import type { Certifier, DeathCertificate } from "../../wire/death-certificate.ts";
import { ByteMemo } from "../../wire/byte-memo.ts";
import { WireError } from "../../wire/cursor.ts";
import { decodeRecords, type GossipRecord } from "../../wire/gossip-records.ts";
import type { GossipStatistics } from "./statistics.ts";

export class GossipReader {
  #certifier: Certifier | null = null;

  constructor(
    private readonly statistics: GossipStatistics,
    private readonly memo = new ByteMemo<GossipRecord>(),
  ) {}

  /** From now on certificates are checked; before, none is believed. */
  certifyWith(certifier: Certifier | null): void {
    this.#certifier = certifier;
  }

  /** Undefined when they are no records. */
  read(bytes: Uint8Array): GossipRecord[] | undefined {
    try {
      const records = decodeRecords(bytes, this.memo);
      if (!records.some(isCertificate)) return records;
      return records.filter((record) => !isCertificate(record) || this.isSigned(record));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.statistics.dropped("malformed");
      return undefined;
    }
  }

  isSigned(certificate: DeathCertificate): boolean {
    if (this.#certifier?.verify(certificate) === true) return true;
    this.statistics.dropped("false_certificate");
    return false;
  }
}

function isCertificate(record: GossipRecord): record is Extract<GossipRecord, { kind: "certificate" }> {
  return record.kind === "certificate";
}
