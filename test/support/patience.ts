/**
 * How long a test waits for what is to happen. One number for all of them: a deadline says that something hangs, so it
 * is far beyond what a slow machine needs that does other things as well, and stands still now and then.
 */

/** For one condition. */
export const patience_ms = 90_000;

/** For a whole test or hook: beyond one condition, so that a failure names what did not happen. */
export const testLimit_ms = 240_000;

/** For one question to a process that may be stopped, frozen or gone: asked again after it. */
export const question_ms = 15_000;
