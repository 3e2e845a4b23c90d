/** `CAXTON_TEST_THOROUGH=1`, as in `.ci/run`: more seeds and larger clusters than who waits for the tests has time for. */
export const thorough = process.env["CAXTON_TEST_THOROUGH"] === "1";
