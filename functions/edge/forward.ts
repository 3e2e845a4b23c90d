/**
 * One request carried to a node: hop-by-hop headers dropped (RFC 9110 §7.6.1), bodies streamed both
 * ways, the request's size and the time to the answer's first byte bounded.
 */
import { CaxtonError, reasonOf } from "../../src/base/errors.ts";

/** A module of 16 MiB in a form. */
export const forwarded_bytes_max = 17 * 1024 * 1024;
const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** Time until a node answers: what waits on purpose may take longer. */
export function answerTime_ms(method: string, path: string): number {
  if (method === "POST" && path === "/api/v1/messages") return 315_000;
  if (method !== "GET" && path.startsWith("/api/v1/agents")) return 125_000;
  if (method === "POST" && path === "/api/v1/cluster/leave") return 3_635_000;
  return 35_000;
}

/** The node's answer. Throws `unreachable`, `timeout`, `payload_too_large`. */
export async function forward(
  request: Request,
  node: string,
  ids: Readonly<Record<string, string>>,
): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > forwarded_bytes_max) throw tooLarge();
  const headers = endToEnd(request.headers);
  for (const name of ["host", "content-length", "accept-encoding", "expect"]) headers.delete(name);
  headers.set("accept-encoding", "identity");
  headers.append("via", "1.1 caxton-gateway");
  for (const [name, value] of Object.entries(ids)) headers.set(name, value);
  const abort = new AbortController();
  const time_ms = answerTime_ms(request.method, pathname);
  const timer = setTimeout(() => abort.abort(), time_ms);
  const gone = (): void => abort.abort();
  request.signal.addEventListener("abort", gone, { once: true });
  const counted = request.body === null ? null : await countedBody(request.body);
  const init: RequestInit & { duplex?: "half" } = {
    method: request.method,
    headers,
    redirect: "manual",
    signal: abort.signal,
  };
  if (counted !== null) {
    init.body = counted.body;
    init.duplex = "half";
  }
  // Bun repeats a PUT or DELETE by itself when a kept connection turns out closed.
  if (request.method === "PUT" || request.method === "DELETE") init.keepalive = false;
  try {
    const response = await fetch(node + pathname + search, init);
    return new Response(response.body, { status: response.status, headers: endToEnd(response.headers) });
  } catch (error) {
    if (counted?.tooLarge() === true) throw tooLarge();
    if (abort.signal.aborted)
      throw new CaxtonError("timeout", `No answer from a node within ${time_ms} ms`, { cause: error });
    throw new CaxtonError("unreachable", `A node cannot be reached: ${reasonOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** A copy without the headers that belong to one connection, those named by `Connection` included. */
function endToEnd(headers: Headers): Headers {
  const copy = new Headers(headers);
  const named = (headers.get("connection") ?? "").split(",").map((name) => name.trim().toLowerCase());
  for (const name of [...hopByHop, ...named]) if (/^[a-z0-9-]+$/.test(name)) copy.delete(name);
  return copy;
}

interface CountedBody {
  readonly body: ReadableStream<Uint8Array>;
  readonly tooLarge: () => boolean;
}

/** Null when nothing is in it: some runtimes give every DELETE a body, and a node refuses one that it has no use for. */
async function countedBody(body: ReadableStream<Uint8Array>): Promise<CountedBody | null> {
  const reader = body.getReader();
  let first = await reader.read();
  while (!first.done && first.value.length === 0) first = await reader.read();
  if (first.done) return null;
  const pieces = [first.value];
  let length = 0;
  const counted = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = pieces.pop() ?? (await reader.read()).value;
      if (piece === undefined) return controller.close();
      length += piece.length;
      if (length <= forwarded_bytes_max) return controller.enqueue(piece);
      controller.error(tooLarge());
      await reader.cancel().catch(() => undefined);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return { body: counted, tooLarge: () => length > forwarded_bytes_max };
}

function tooLarge(): CaxtonError {
  return new CaxtonError("payload_too_large", "The body is larger than 17 MiB");
}
