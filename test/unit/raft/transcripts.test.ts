import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { playRaftTranscript } from "../../support/raft-transcript.ts";

const folder = fileURLToPath(new URL("../../scenario/", import.meta.url));
const files = readdirSync(folder).filter((file) => file.startsWith("raft-"));

describe("stories of Raft", () => {
  test.each(files)("%s goes as it is written", (file) => {
    const text = readFileSync(folder + file, "utf8");
    const played = playRaftTranscript(text);
    if (process.env["CAXTON_REWRITE_SCENARIOS"] === "1") writeFileSync(folder + file, played);
    else expect(played).toBe(text);
  });

  test("there are stories", () => {
    expect(files.length).toBeGreaterThanOrEqual(10);
  });
});
