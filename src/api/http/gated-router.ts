/**
 * Puts every route that the app is given behind the gate, whoever adds it: so none is open because
 * somebody forgot. A router of Hono's around Hono's own; middlewares of every path stay in front of the gate.
 */
import type { Handler } from "hono";
import { METHOD_NAME_ALL, type Result, type Router } from "hono/router";
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";
import type { RouterRoute } from "hono/types";
import type { Gate } from "./gate.ts";
import type { ApiEnv } from "./request.ts";

type Entry = [Handler<ApiEnv>, RouterRoute];

/** Where middlewares of every request are mounted. */
export const everyPath = "/*";

export class GatedRouter implements Router<Entry> {
  readonly name = "GatedRouter";
  readonly #gate: Gate;
  readonly #routes = new SmartRouter<Entry>({ routers: [new RegExpRouter(), new TrieRouter()] });

  constructor(gate: Gate) {
    this.#gate = gate;
  }

  add(method: string, path: string, [handle, route]: Entry): void {
    const isMiddleware = path === everyPath && method === METHOD_NAME_ALL;
    const guarded = isMiddleware ? handle : this.#gate.guard(method, path, handle);
    this.#routes.add(method, path, [guarded, route]);
  }

  match(method: string, path: string): Result<Entry> {
    return this.#routes.match(method, path);
  }
}
