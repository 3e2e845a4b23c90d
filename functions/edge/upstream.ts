/** Requests from an edge function to a node: bounded in time and in size, never following a redirect. */
import { CaxtonError, reasonOf } from "../../src/base/errors.ts";

/** The JSON of a node's answer, whatever its status. Throws `unreachable`, `timeout`, `payload_too_large`. */
export async function getJson(
  url: string,
  options: { readonly timeout_ms: number; readonly limit_bytes: number; readonly token?: string },
): Promise<{ readonly status: number; readonly json: unknown }> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), options.timeout_ms);
  try {
    const headers: Record<string, string> = { accept: "application/json" };
    if (options.token !== undefined) headers["authorization"] = `Bearer ${options.token}`;
    const response = await fetch(url, { headers, signal: abort.signal, redirect: "manual" });
    const text = await readText(response, options.limit_bytes);
    return { status: response.status, json: JSON.parse(text) as unknown };
  } catch (error) {
    if (error instanceof CaxtonError) throw error;
    if (abort.signal.aborted)
      throw new CaxtonError("timeout", `No answer from ${url} within ${options.timeout_ms} ms`);
    if (error instanceof SyntaxError) throw new CaxtonError("unreachable", `${url} did not answer with JSON`);
    throw new CaxtonError("unreachable", `Cannot reach ${url}: ${reasonOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function readText(response: Response, limit_bytes: number): Promise<string> {
  if (response.body === null) return "";
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    length += value.length;
    if (length > limit_bytes) {
      await reader.cancel();
      throw new CaxtonError("payload_too_large", `A node's answer is larger than ${limit_bytes} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
