/** Waits until this node's directory shows what was done, so that the caller's next read does too; not for ever. */
import type { Membership } from "../cluster/membership.ts";
import type { Clock } from "../ports/clock.ts";

export function directoryShows(
  condition: () => boolean,
  options: { readonly membership: Membership; readonly clock: Clock; readonly within_ms: number },
): Promise<void> {
  const { membership, clock, within_ms } = options;
  return new Promise((resolve) => {
    if (condition()) {
      resolve();
      return;
    }
    const end = (): void => {
      unsubscribe();
      timer.cancel();
      resolve();
    };
    const timer = clock.after(within_ms, end);
    const unsubscribe = membership.subscribe((event) => {
      if (event.kind === "directory" && condition()) end();
    });
  });
}
