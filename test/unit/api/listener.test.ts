/** The API behind the listener of a node: what is too large is refused in words, however it is sent. */
import { connect } from "node:net";
import { expect, test } from "vitest";
import { startHttpServer } from "../../../src/platform/bun/http-server.ts";
import { apiWorld } from "../../support/api-world.ts";

const mebibyte = 1024 * 1024;

/** The answer to a request that is written piece by piece, up to its end or until the node closed. */
async function raw(port: number, head: string, pieces: number, piece: Buffer): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => (answer += text));
  // A node that has answered may close before everything was sent.
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.write(head);
  for (let count = 0; count < pieces && !socket.destroyed && !answer.includes("}"); count++) {
    if (!socket.write(piece))
      await Promise.race([closed, new Promise<void>((resolve) => socket.once("drain", () => resolve()))]);
  }
  while (!answer.includes("}") && !socket.destroyed) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  return answer;
}

test("a body of any size beyond the limit gets a problem document, declared or chunked", async () => {
  const { app, admin } = await apiWorld();
  const server = startHttpServer({
    address: { host: "127.0.0.1", port: 0 },
    tls: undefined,
    fetch: (request) => app.fetch(request),
  });
  try {
    const { port } = server.local;
    const common = `Host: node\r\nAuthorization: Bearer ${admin}\r\nContent-Type: application/json\r\n`;
    const post = `POST /api/v1/messages HTTP/1.1\r\n${common}`;
    const declared = `${post}Content-Length: ${40 * mebibyte}\r\n\r\n`;
    const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n`;
    const chunk = Buffer.concat([
      Buffer.from(`${mebibyte.toString(16)}\r\n`),
      Buffer.alloc(mebibyte, 32),
      Buffer.from("\r\n"),
    ]);
    for (const answer of [
      await raw(port, declared, 1, Buffer.alloc(mebibyte, 32)),
      await raw(port, chunked, 40, chunk),
    ]) {
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      expect(answer.toLowerCase()).toContain("content-type: application/problem+json");
      expect(answer).toContain('"code":"payload_too_large"');
    }
  } finally {
    await server.stop(0);
  }
});
