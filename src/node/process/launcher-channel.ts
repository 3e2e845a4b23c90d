/**
 * What a node and the launcher that started it say to each other over the IPC channel, and the
 * node's side of it. A node without a launcher (started by hand to debug it) works the same, unwatched.
 */

import type { LastWord } from "./last-word.ts";

export type ToLauncher =
  /** The node serves. `drain_timeout_ms` is how long a graceful stop may take. */
  | { readonly kind: "ready"; readonly drain_timeout_ms: number }
  /** Once a second from the main thread: it is not wedged. */
  | { readonly kind: "heartbeat" }
  /** What to tell the others when this process has ended by a crash; replaces what was left before. */
  | ({ readonly kind: "last-word" } & LastWord)
  /** An operator took this node out of its cluster: it ends with `exit`, and is not to be started again. */
  | { readonly kind: "removed"; readonly exit: number }
  /** It ends on purpose next, to be started again at once: as another kind of process. */
  | { readonly kind: "again" }
  /** Starting again would not help; the process ends with `exit` next. Already told on stderr. */
  | { readonly kind: "fatal"; readonly exit: number };

export interface LauncherChannel {
  /** False when nobody started this node to watch over it. */
  readonly watched: boolean;
  /** Resolves when the message was handed to the launcher, or at once without one. */
  send(message: ToLauncher): Promise<void>;
  /** From now on the launcher has this, looked at again with each heartbeat. */
  leave(lastWord: () => LastWord | null): void;
  /** Stops the heartbeat and lets the process end. */
  close(): void;
}

export const heartbeatInterval_ms = 1_000;

/**
 * Begins the heartbeat. `onGone` runs once when the launcher has vanished without a word: the node
 * closes its databases and exits, so that no orphan holds the ports and the data directory.
 */
export function watchLauncher(onGone: () => void): LauncherChannel {
  if (process.send === undefined || !process.connected) {
    return { watched: false, send: () => Promise.resolve(), leave: () => undefined, close: () => undefined };
  }
  const left = new LeftWord();
  const heartbeat = setInterval(() => {
    void post({ kind: "heartbeat" });
    left.refresh();
  }, heartbeatInterval_ms);
  heartbeat.unref();
  process.once("disconnect", () => {
    clearInterval(heartbeat);
    onGone();
  });
  // A terminal's Ctrl-C reaches the whole group: the launcher answers it with a SIGTERM to the node.
  process.on("SIGINT", ignore);
  return {
    watched: true,
    send: post,
    leave: (lastWord) => left.keep(lastWord),
    close: () => {
      clearInterval(heartbeat);
      process.off("SIGINT", ignore);
      process.removeAllListeners("disconnect");
      if (process.connected) process.disconnect?.();
    },
  };
}

/** Posts the last word when it has changed. */
class LeftWord {
  #make: () => LastWord | null = () => null;
  #posted = "";

  keep(make: () => LastWord | null): void {
    this.#make = make;
    this.refresh();
  }

  refresh(): void {
    const word = this.#make();
    const text = JSON.stringify(word);
    if (word === null || text === this.#posted) return;
    this.#posted = text;
    void post({ kind: "last-word", ...word });
  }
}

/** An error means that the launcher is gone, which the disconnect tells as well. */
function post(message: ToLauncher): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

function ignore(): void {
  // On purpose: see watchLauncher.
}
