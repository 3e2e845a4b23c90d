/** The host's answers to its calls when it refuses, as the ABI numbers them, and the bounds of what one call sends. */

export const abiErrors = {
  invalid: -1,
  queueFull: -2,
  tooLarge: -3,
  tooManySends: -4,
  tooManyTimers: -5,
  stateLimit: -6,
} as const;

/** Messages that one call may send, and their bytes together. */
export const sendsPerCall = 1_000;
export const sendsPerCall_bytes = 16 * 1024 * 1024;
/** Calls that the host may refuse during one handling; one more is a trap of kind `refused_calls`. */
export const refusalsPerCall = 1_000;
