/** One end of a channel between two threads. Messages arrive in order; `transfer` moves buffers without a copy. */
export interface Channel<In, Out> {
  post(message: Out, transfer?: readonly (ArrayBuffer | MessagePortLike)[]): void;
  /** Exactly one handler; messages before it is set are kept. */
  receive(handler: (message: In) => void): void;
  close(): void;
}

/** A MessagePort of the platform: opaque here, given from thread to thread. */
export interface MessagePortLike {
  readonly postMessage: (message: unknown, transfer?: never) => void;
}

export interface Thread<In, Out> extends Channel<In, Out> {
  /** Called once when the thread has ended, with the error that ended it or undefined. */
  ended(handler: (error: Error | undefined) => void): void;
  terminate(): Promise<void>;
}
