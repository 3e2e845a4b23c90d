/** Streams of a process that can die: `crash` closes its listener and all its connections without a word. */
import type { StreamConnection, StreamListener, Streams } from "../../src/ports/streams.ts";

export class BreakableStreams implements Streams {
  readonly #connections: StreamConnection[] = [];
  readonly #listeners: StreamListener[] = [];
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  async listen(
    ...[local, identity, accept, refused]: Parameters<Streams["listen"]>
  ): Promise<StreamListener> {
    const listener = await this.#streams.listen(
      local,
      identity,
      (connection) => {
        this.#connections.push(connection);
        return accept(connection);
      },
      refused,
    );
    this.#listeners.push(listener);
    return listener;
  }

  async connect(...args: Parameters<Streams["connect"]>): Promise<StreamConnection> {
    const connection = await this.#streams.connect(...args);
    this.#connections.push(connection);
    return connection;
  }

  async crash(): Promise<void> {
    const closed = this.#listeners.map((listener) => listener.close());
    this.drop();
    await Promise.all(closed);
  }

  /** Only the connections: as a flapping link, or a firewall that forgets. */
  drop(): void {
    for (const connection of this.#connections.splice(0)) connection.destroy();
  }
}
