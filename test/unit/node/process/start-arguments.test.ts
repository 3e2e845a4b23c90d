import { expect, test } from "vitest";
import { formatStartArguments, parseStartArguments } from "../../../../src/node/process/start-arguments.ts";

test("flags survive the way to the node's process, odd characters included", () => {
  const given = { flags: { "node-id": "n=1", "data-dir": "/tmp/a b\n", bootstrap: "true" }, file: "x.yaml" };
  expect(parseStartArguments(formatStartArguments(given))).toEqual(given);
});

test("a flag without a value is true, and what is unknown is refused", () => {
  expect(parseStartArguments(["--bootstrap"])).toEqual({ flags: { bootstrap: "true" }, file: undefined });
  for (const argument of ["--nope=1", "nope", "--constructor=1", "-x", "--config"]) {
    expect(() => parseStartArguments([argument])).toThrow("is none of a node's");
  }
});
