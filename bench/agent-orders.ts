/** The contents that the benchmark's own agents (agents/*.c) take and give. */

/** For a relay: how many more agents of `<prefix>-0 … agents-1` it passes through. */
export function relayToken(hops: number, agents: number, payload_bytes = 100): Uint8Array {
  const content = new Uint8Array(8 + payload_bytes);
  const view = new DataView(content.buffer);
  view.setUint32(0, hops, true);
  view.setUint32(4, agents, true);
  return content;
}

export interface LoadOrder {
  readonly rate_per_s: number;
  readonly messages: number;
  readonly prefix: string;
  readonly targets: number;
  readonly first: number;
  readonly payload_bytes: number;
}

/** For a loadgen: an open loop to `<prefix>-<first> …`. */
export function loadOrder(order: LoadOrder): Uint8Array {
  const prefix = new TextEncoder().encode(order.prefix);
  const content = new Uint8Array(24 + prefix.length);
  const view = new DataView(content.buffer);
  view.setFloat64(0, order.rate_per_s, true);
  view.setUint32(8, order.messages, true);
  view.setUint32(12, order.targets, true);
  view.setUint32(16, order.first, true);
  view.setUint32(20, order.payload_bytes, true);
  content.set(prefix, 24);
  return content;
}

/** What a loadgen did: `most` messages in one call, the latest `latest_ms` after it was due. */
export interface LoadReport {
  readonly sent: number;
  readonly refused: number;
  readonly most: number;
  readonly latest_ms: number;
  readonly duration_ms: number;
}

export function loadReport(content: Uint8Array): LoadReport {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  return {
    sent: view.getUint32(0, true),
    refused: view.getUint32(4, true),
    most: view.getUint32(8, true),
    latest_ms: view.getFloat64(12, true),
    duration_ms: view.getFloat64(20, true),
  };
}
