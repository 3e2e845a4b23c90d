/** What a node learns from the end of a stream, over real TLS. */
import { afterEach, expect, test } from "vitest";
import { parseNodeId } from "../../../../src/base/ids.ts";
import { openPeerNetwork, type PeerNetwork } from "../../../../src/cluster/peers/network.ts";
import { systemClock } from "../../../../src/platform/node/clock.ts";
import { systemEntropy } from "../../../../src/platform/node/entropy.ts";
import { openStreams } from "../../../../src/platform/node/streams.ts";
import { certificateAuthority, nodeIdentity } from "../../../../src/security/certificates.ts";
import { BreakableStreams } from "../../../support/breakable-streams.ts";
import { until } from "../../../support/until.ts";

const world = { clock: systemClock, entropy: systemEntropy };
const authority = certificateAuthority(new Uint8Array(32).fill(1));
const networks: PeerNetwork[] = [];
afterEach(async () => {
  for (const network of networks.splice(0)) await network.close();
});

async function node(name: string, bootEpoch: number) {
  const id = parseNodeId(name);
  const streams = new BreakableStreams(openStreams());
  const network = await openPeerNetwork({
    node: id,
    bootEpoch,
    local: { host: "127.0.0.1", port: 0 },
    identity: nodeIdentity(authority, id, "prod", world),
    streams,
    ...world,
  });
  networks.push(network);
  const gone: string[] = [];
  const links: string[] = [];
  network.onGone((who, boot) => gone.push(`${who} ${boot}`));
  network.onLink((link) => links.push(`${link.node} ${link.kind} ${link.state}`));
  return { id, network, streams, gone, links, address: network.local };
}

async function neighbours() {
  const [a, b] = [await node("a", 3), await node("b", 7)];
  a.network.keep("gossip", [b.id]);
  a.network.setAddress(b.id, b.address);
  await until(() => a.links.includes("b gossip up"));
  return { a, b };
}

test("a kept stream is dialled though nothing is sent, and its end names the life that it was of", async () => {
  const { a, b } = await neighbours();
  await b.streams.crash();
  await until(() => a.gone.length > 0);
  expect(a.gone[0]).toBe("b 7");
  // Dialled again, it is refused: of which life nobody knows.
  await until(() => a.gone.includes("b null"));
});

test("the side that was dialled hears it as well", async () => {
  const { a, b } = await neighbours();
  await a.streams.crash();
  await until(() => b.gone.length > 0);
  expect(b.gone).toEqual(["a 3"]);
});

test("who shuts down in order says goodbye, and gives no hint", async () => {
  const { a, b } = await neighbours();
  await b.network.close();
  await until(() => a.links.includes("b gossip down"));
  expect(a.gone.filter((one) => one === "b 7")).toEqual([]);
});

test("a kept stream that was dropped is dialled again; one no longer kept is closed with a goodbye", async () => {
  const { a, b } = await neighbours();
  b.streams.drop();
  await until(() => a.links.filter((line) => line === "b gossip up").length >= 2);
  const before = b.gone.length;
  a.network.keep("gossip", []);
  await until(() => b.network.stats().connections === 0);
  expect(b.gone.length).toBe(before);
});
