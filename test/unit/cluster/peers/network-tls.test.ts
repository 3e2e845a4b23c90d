/** The peer network over real TLS: what the simulated streams cannot show. */
import { afterEach, expect, test } from "vitest";
import { parseNodeId } from "../../../../src/base/ids.ts";
import { openPeerNetwork, type PeerNetwork } from "../../../../src/cluster/peers/network.ts";
import { systemClock } from "../../../../src/platform/node/clock.ts";
import { systemEntropy } from "../../../../src/platform/node/entropy.ts";
import { openStreams } from "../../../../src/platform/node/streams.ts";
import { certificateAuthority, nodeIdentity } from "../../../../src/security/certificates.ts";
import { freePort } from "../../../support/free-port.ts";
import { patience_ms } from "../../../support/patience.ts";
import { until } from "../../../support/until.ts";

const world = { clock: systemClock, entropy: systemEntropy };
const authorities = [1, 2].map((seed) => certificateAuthority(new Uint8Array(32).fill(seed)));

const networks: PeerNetwork[] = [];
afterEach(async () => {
  for (const network of networks.splice(0)) await network.close();
});

async function node(name: string, key = 0, port = 0) {
  const id = parseNodeId(name);
  const refused: string[] = [];
  const network = await openPeerNetwork({
    node: id,
    bootEpoch: 1,
    local: { host: "127.0.0.1", port },
    identity: nodeIdentity(authorities[key] as (typeof authorities)[0], id, "prod", world),
    streams: openStreams(),
    ...world,
    refused: (_source, reason) => refused.push(reason),
  });
  networks.push(network);
  return { id, network, refused };
}

test("frames in order and of any size, requests and first contact work over TLS", async () => {
  const [a, b] = [await node("a"), await node("b")];
  a.network.setAddress(b.id, b.network.local);
  const sizes: number[] = [];
  b.network.onFrame("message", (frame) => sizes.push(frame.bytes.length));
  const sent = Array.from({ length: 3_000 }, (_, i) => (i % 500 === 499 ? 2_000_000 : i % 700));
  for (const size of sent) expect(a.network.send(b.id, "message", new Uint8Array(size))).toBe(true);
  b.network.handle("reverse", async (body) => body.toReversed());
  const body = systemEntropy.bytes(5_000_000);
  const reply = await a.network.request(b.id, "reverse", body, { timeout_ms: patience_ms });
  expect(Buffer.compare(reply.toReversed(), body)).toBe(0);
  await until(() => sizes.length === sent.length);
  expect(sizes).toEqual(sent);
  b.network.onContact(async (hello, from) => new TextEncoder().encode(`${from} ${hello.length}`));
  const contact = await a.network.contact(b.network.local, new Uint8Array(3), patience_ms);
  expect([contact.from, new TextDecoder().decode(contact.reply)]).toEqual(["b", "a 3"]);
});

test("a wrong key is a clear error on one side and a refusal on the other", async () => {
  const [a, b] = [await node("a"), await node("b", 1)];
  await expect(a.network.contact(b.network.local, new Uint8Array(0), patience_ms)).rejects.toMatchObject({
    code: "wrong_key",
    message: expect.stringContaining("does not come from our cluster key"),
  });
  await until(() => b.refused.length > 0);
  expect(b.refused[0]).toContain("does not come from our cluster key");
});

test("a peer that closes and comes back at its port is connected again", async () => {
  const [a, b] = [await node("a"), await node("b", 0, await freePort())];
  a.network.setAddress(b.id, b.network.local);
  const links: string[] = [];
  a.network.onLink(({ state }) => links.push(state));
  a.network.send(b.id, "message", new Uint8Array(1));
  await until(() => links.length === 1);
  const { local } = b.network;
  await b.network.close();
  await until(() => links.length === 2);
  a.network.send(b.id, "message", new Uint8Array(7));
  const again = await openPeerNetwork({
    node: b.id,
    bootEpoch: 2,
    local,
    identity: nodeIdentity(authorities[0] as (typeof authorities)[0], b.id, "prod", world),
    streams: openStreams(),
    ...world,
  });
  networks.push(again);
  const sizes: number[] = [];
  again.onFrame("message", (frame) => sizes.push(frame.bytes.length));
  await until(() => sizes.length === 1);
  expect([sizes, links]).toEqual([[7], ["up", "down", "up"]]);
});
