/** What the preparing thread is asked, one module at a time, and answers. */
import type { PreparedModule, PrepareOptions } from "./prepare.ts";

export interface PrepareRequest {
  readonly bytes: Uint8Array;
  readonly options: PrepareOptions;
}

export type PrepareReply =
  | { readonly kind: "prepared"; readonly prepared: PreparedModule }
  | { readonly kind: "refused"; readonly code: string; readonly detail: string };
