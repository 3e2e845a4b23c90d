import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { startHttpServer, type HttpServer } from "../../../src/platform/bun/http-server.ts";
import { freePort } from "../../support/free-port.ts";
import { systemClock } from "../../../src/platform/node/clock.ts";
import { systemEntropy } from "../../../src/platform/node/entropy.ts";
import { certificateAuthority, issueServerCertificate } from "../../../src/security/certificates.ts";

const loopback = { host: "127.0.0.1", port: 0 };
const open: HttpServer[] = [];

function start(options: Parameters<typeof startHttpServer>[0]): HttpServer {
  const server = startHttpServer(options);
  open.push(server);
  return server;
}

afterEach(async () => {
  for (const server of open.splice(0)) await server.stop(0);
});

describe("the HTTP listener", () => {
  test("answers, and says where it listens", async () => {
    const server = start({ address: loopback, tls: undefined, fetch: () => new Response("here") });
    expect(server.local.port).toBeGreaterThan(0);
    expect(await (await fetch(server.url)).text()).toBe("here");
  });

  test.each([
    ["HTTP/1.0 without Host", "POST /a%20b?c=d HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi"],
    ["a Host that is none", "POST /a%20b?c=d HTTP/1.1\r\nHost: a/b c?\r\nContent-Length: 2\r\n\r\nhi"],
    ["an empty Host", "POST /a%20b?c=d HTTP/1.1\r\nHost: \r\nContent-Length: 2\r\n\r\nhi"],
  ])("gives whole URLs and bodies for %s", async (_what, text) => {
    const server = start({
      address: loopback,
      tls: undefined,
      fetch: async (request) => {
        const { pathname, search } = new URL(request.url);
        return new Response(`<${request.method} ${pathname}${search} ${await request.text()}>`);
      },
    });
    const socket = connect(server.local.port, "127.0.0.1");
    socket.setEncoding("latin1");
    let answer = "";
    const answered = new Promise<void>((resolve) => {
      socket.on("data", (part: string) => {
        answer += part;
        if (answer.includes(">")) resolve();
      });
      socket.once("close", () => resolve());
    });
    socket.write(text);
    await answered;
    socket.destroy();
    expect(answer).toContain("<POST /a%20b?c=d hi>");
  });

  test("refuses an address in use, and one that is not of this machine", () => {
    const { local } = start({ address: loopback, tls: undefined, fetch: () => new Response() });
    const again = (host: string) => () =>
      start({ address: { ...local, host }, tls: undefined, fetch: () => new Response() });
    expect(again("127.0.0.1")).toThrow(`127.0.0.1:${local.port} (TCP): the address is in use`);
    expect(again("192.0.2.1")).toThrow(
      `Cannot listen on 192.0.2.1:${local.port} (TCP): this machine has no such address`,
    );
  });

  test("a new certificate is for new connections; a response under way is finished", async () => {
    const authority = certificateAuthority(new Uint8Array(32).fill(7));
    const issue = () => {
      const { certificate, key } = issueServerCertificate(authority, ["127.0.0.1"], {
        clock: systemClock,
        entropy: systemEntropy,
      });
      return { cert: certificate, key };
    };
    const slow = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    // Listened on a second time: nobody else may have got the port meanwhile.
    const address = { host: "127.0.0.1", port: await freePort() };
    const server = start({
      address,
      tls: issue(),
      fetch: async (request) => {
        if (!request.url.endsWith("/slow")) return new Response("fast");
        started.resolve();
        await slow.promise;
        return new Response("finished");
      },
    });
    const tls = { ca: authority.pem };
    const underWay = fetch(`${server.url}/slow`, { tls, keepalive: false });
    await started.promise;
    server.setTls(issue());
    expect(await (await fetch(server.url, { tls, keepalive: false })).text()).toBe("fast");
    slow.resolve();
    expect(await (await underWay).text()).toBe("finished");
  });

  test("stops when what is under way has ended, or at the deadline", async () => {
    const started = Promise.withResolvers<void>();
    const server = start({
      address: loopback,
      tls: undefined,
      fetch: () => {
        started.resolve();
        return new Promise<Response>(() => {});
      },
    });
    const stuck = fetch(server.url).then(
      () => "answered",
      () => "cut off",
    );
    await started.promise;
    await server.stop(20);
    expect(await stuck).toBe("cut off");
  });

  test("a request that never came whole does not hold up a stop; a response under way is finished", async () => {
    const slow = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const server = start({
      address: loopback,
      tls: undefined,
      fetch: async () => {
        started.resolve();
        await slow.promise;
        return new Response("finished");
      },
    });
    const half = connect(server.local.port, "127.0.0.1");
    const closed = new Promise<void>((resolve) => half.once("close", () => resolve()));
    half.on("error", () => undefined);
    await new Promise<void>((resolve) => half.write("GET / HT", () => resolve()));
    const underWay = fetch(server.url);
    await started.promise;
    const stopped = server.stop(60_000);
    slow.resolve();
    expect(await (await underWay).text()).toBe("finished");
    await stopped;
    await closed;
  });
});
