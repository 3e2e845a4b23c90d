/** `caxton lock acquire NAME`: takes a lock for a while, or renews it; prints the token that its writes are to name. */
import { setTimeout as pause } from "node:timers/promises";
import { formatDuration } from "../../base/durations.ts";
import { CaxtonError } from "../../base/errors.ts";
import { lockTtl_ms_max, lockTtl_ms_min } from "../../wire/control-lock.ts";
import { command } from "../command.ts";
import { asText, duration } from "../parse.ts";
import { fencingToken, heldText, lockArgument } from "./words.ts";

const wait_ms_max = 24 * 3_600_000;
/** Between two tries while another holds it. */
const again_ms = 250;

interface Flags {
  readonly ttl: number;
  readonly holder?: string;
  readonly fencingToken?: number;
  readonly wait?: number;
}

export const acquire = command<Flags, [string]>({
  brief: "Acquire a lock, or renew it",
  description:
    "It is held until it is released or --ttl has passed since it was acquired or renewed. Writes that it is to protect " +
    "name its token: caxton kv put --lock NAME --fencing-token N.",
  examples: [
    "caxton lock acquire build --ttl 1m --wait 5m",
    "caxton lock acquire build --fencing-token 7 --ttl 1m",
  ],
  parameters: {
    flags: {
      ttl: {
        kind: "parsed",
        parse: duration(lockTtl_ms_min, lockTtl_ms_max),
        default: "30s",
        placeholder: "D",
        brief: "How long it is held without being renewed",
      },
      holder: {
        kind: "parsed",
        parse: asText,
        optional: true,
        placeholder: "NAME",
        brief: "Who holds it; under the same name it is renewed, not refused",
      },
      fencingToken: { ...fencingToken, optional: true, brief: "Renew what was acquired with this token" },
      wait: {
        kind: "parsed",
        parse: duration(0, wait_ms_max),
        optional: true,
        placeholder: "D",
        brief: "Try for so long while another holds it",
      },
    },
    positional: lockArgument,
  },
  run: async ({ client, output }, { ttl, holder, fencingToken: token, wait = 0 }, name) => {
    if (token !== undefined && wait > 0)
      throw new CaxtonError("invalid_argument", "--wait is for acquiring: what is renewed is held");
    const { locks } = await client();
    const wanted = {
      ttl: formatDuration(ttl),
      ...(holder === undefined ? {} : { holder }),
      ...(token === undefined ? {} : { token }),
    };
    const answer = await unlessHeld(wait, () => locks.acquire(name, wanted));
    output.lines([heldText(answer)], answer);
  },
});

/** Tried again while another holds it, for so long; then throws its `conflict`. */
async function unlessHeld<T>(wait_ms: number, acquireOnce: () => Promise<T>): Promise<T> {
  const end_ms = performance.now() + wait_ms;
  for (;;) {
    try {
      return await acquireOnce();
    } catch (error) {
      const isHeld = error instanceof CaxtonError && error.code === "conflict";
      if (!isHeld || performance.now() >= end_ms) throw error;
    }
    await pause(again_ms);
  }
}
