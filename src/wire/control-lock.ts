/**
 * Lock commands, queries and answers. A lock is held under a fencing token: a number that rises with
 * every acquisition of any lock and is never given twice. Times to live count by the leaders' stamps.
 */
import { Reader, WireError, Writer } from "./cursor.ts";
import { principalLimit_bytes } from "./control-command.ts";

export const lockNameLimit_bytes = 128;
export const holderLimit_bytes = 128;
export const lockTtl_ms_min = 1_000;
export const lockTtl_ms_max = 24 * 3_600_000;

export interface LockAcquire {
  readonly name: string;
  /** Who of the principal's processes; the same one gets its lock again instead of a refusal. Empty: nobody's. */
  readonly holder: string;
  readonly ttl_ms: number;
  /** 0 to acquire; the token that is held, to renew. */
  readonly token: number;
}

export interface LockRelease {
  readonly name: string;
  readonly token: number;
}

export interface LockView {
  readonly name: string;
  readonly token: number;
  readonly principal: string;
  readonly holder: string;
  readonly ttl_ms: number;
  /** Left when the view was made, counted by the leaders' time; 0 or less: expired. */
  readonly left_ms: number;
  /** Unix time of the acquisition. */
  readonly acquired_ms: number;
}

export function encodeLockAcquire({ name, holder, ttl_ms, token }: LockAcquire): Uint8Array {
  return new Writer().text(name).text(holder).u64(ttl_ms).u64(token).finish();
}

export function readLockAcquire(reader: Reader): LockAcquire {
  const acquire = {
    name: readLockName(reader),
    holder: reader.text(holderLimit_bytes),
    ttl_ms: reader.u64(),
    token: reader.u64(),
  };
  if (acquire.ttl_ms < lockTtl_ms_min || acquire.ttl_ms > lockTtl_ms_max)
    throw new WireError("time to live out of range");
  if (acquire.holder.includes("\0")) throw new WireError("holder with a NUL");
  return acquire;
}

export function encodeLockRelease({ name, token }: LockRelease): Uint8Array {
  return new Writer().text(name).u64(token).finish();
}

export function readLockRelease(reader: Reader): LockRelease {
  return { name: readLockName(reader), token: reader.u64() };
}

/** `now_ms` is the asker's Unix time, by which an idle cluster can tell that a lock has run out; 0 for none. */
export function encodeLockGet(name: string, now_ms: number): Uint8Array {
  return new Writer().text(name).u64(now_ms).finish();
}

export function readLockGet(reader: Reader): { readonly name: string; readonly now_ms: number } {
  return { name: readLockName(reader), now_ms: reader.u64() };
}

export function readLockName(reader: Reader): string {
  const name = reader.text(lockNameLimit_bytes);
  if (!/^[!-~]+$/.test(name)) throw new WireError("lock name is not printable ASCII without spaces");
  return name;
}

export function encodeLockView(view: LockView | null): Uint8Array {
  const writer = new Writer().bool(view !== null);
  if (view !== null) {
    writer.text(view.name).u64(view.token).text(view.principal).text(view.holder).u64(view.ttl_ms);
    writer.u64(Math.max(0, view.left_ms)).u64(view.acquired_ms);
  }
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeLockView(bytes: Uint8Array): LockView | null {
  const reader = new Reader(bytes);
  const view = reader.bool()
    ? {
        name: reader.text(lockNameLimit_bytes),
        token: reader.u64(),
        principal: reader.text(principalLimit_bytes),
        holder: reader.text(holderLimit_bytes),
        ttl_ms: reader.u64(),
        left_ms: reader.u64(),
        acquired_ms: reader.u64(),
      }
    : null;
  reader.finish();
  return view;
}
