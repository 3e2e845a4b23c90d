/** The cluster's locks as a node's API uses them. */
import { CaxtonError } from "../base/errors.ts";
import { formatDuration } from "../base/durations.ts";
import { quote } from "../base/ids.ts";
import type { Clock } from "../ports/clock.ts";
import { controlCommands, controlQueries } from "../wire/control-kinds.ts";
import type { ControlOutcome } from "../wire/control-command.ts";
import {
  type LockAcquire,
  type LockRelease,
  type LockView,
  decodeLockView,
  encodeLockAcquire,
  encodeLockGet,
  encodeLockRelease,
} from "../wire/control-lock.ts";
import type { Consistency, ControlClient } from "./control-client.ts";
import type { Asker } from "./kv-store.ts";
import { demandDone } from "./refusals.ts";

export class LockService {
  readonly #client: ControlClient;
  readonly #clock: Clock;

  constructor(client: ControlClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Null when it is free. Time that is left is an estimate on a node whose clock is off. */
  async get(
    name: string,
    consistency: Consistency,
  ): Promise<{ readonly held: LockView | null; readonly appliedIndex: number }> {
    const body = encodeLockGet(name, this.#clock.wall_ms());
    const { bytes, appliedIndex } = await this.#client.query(controlQueries.lockGet, body, consistency);
    return { held: decodeLockView(bytes), appliedIndex };
  }

  /** Acquires, or renews with the token. Throws `conflict` when another holds it or the token is no longer good. */
  async acquire(acquire: LockAcquire, asker: Asker): Promise<LockView> {
    const { name } = acquire;
    const { outcome } = await this.#client.command({
      kind: controlCommands.lockAcquire,
      body: encodeLockAcquire(acquire),
      ...asker,
    });
    demandDone(outcome, `acquire lock ${quote(name)}`, {
      held: heldByOther,
      not_found: () =>
        new CaxtonError("conflict", `Lock ${quote(name)} is no longer held under token ${acquire.token}`),
    });
    const view = decodeLockView(outcome.body);
    if (view !== null) return view;
    throw new CaxtonError("internal", `Lock ${quote(name)} was acquired without a word about it`);
  }

  /** Throws `not_found` when nobody holds it, `conflict` when another does. */
  async release(release: LockRelease, asker: Asker): Promise<void> {
    const { outcome } = await this.#client.command({
      kind: controlCommands.lockRelease,
      body: encodeLockRelease(release),
      ...asker,
    });
    demandDone(outcome, `release lock ${quote(release.name)}`, {
      held: heldByOther,
      not_found: () => new CaxtonError("not_found", `Lock ${quote(release.name)} is not held`),
    });
  }
}

function heldByOther({ body }: ControlOutcome): CaxtonError {
  const view = decodeLockView(body);
  if (view === null) return new CaxtonError("conflict", "The lock is held");
  const { name, principal, holder, token, left_ms } = view;
  const who = holder === "" ? principal : `${principal} (${holder})`;
  return new CaxtonError(
    "conflict",
    `Lock ${quote(name)} is held by ${who} under token ${token} for another ${formatDuration(left_ms)}`,
  );
}
