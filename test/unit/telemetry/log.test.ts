import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { configureLogging, logger } from "../../../src/telemetry/log.ts";
import { openLogDestination } from "../../../src/telemetry/log-file.ts";

async function logged(format: "text" | "json", level: "debug" | "info", act: () => void): Promise<string[]> {
  const lines: string[] = [];
  await configureLogging({ level, format, node: "node-1", write: (line) => lines.push(line) });
  act();
  await configureLogging({ level: "error", format, node: "node-1", write: () => {} });
  return lines;
}

describe("logging", () => {
  it("writes one JSON line a record, with level, category and fields", async () => {
    const lines = await logged("json", "info", () => {
      logger("cluster.gossip").info("Joined {seed}", { seed: "10.0.0.1:7946", tries: 2 });
    });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] as string)).toMatchObject({
      level: "info",
      node: "node-1",
      category: "cluster.gossip",
      text: "Joined 10.0.0.1:7946",
      tries: 2,
    });
  });

  it("does not write below the level", async () => {
    expect(await logged("json", "info", () => logger("api").debug("quiet"))).toEqual([]);
    expect(await logged("json", "debug", () => logger("api").debug("loud"))).toHaveLength(1);
  });

  it("escapes control characters, so that a value cannot forge a line", async () => {
    const lines = await logged("text", "info", () => {
      logger("api").warn("Refused {name}", { name: "a\n2026-01-01 ERROR forged\u001b[31m" });
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("WARN  api: Refused a\\u000a2026-01-01");
    expect(lines[0]).not.toContain("\u001b");
  });

  it("keeps a huge or cyclic record to one bounded, parseable line", async () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const lines = await logged("json", "info", () => {
      logger("api").info("big", { blob: "x".repeat(100_000) });
      logger("api").info("cycle", { cycle, big: 10n, error: new Error("broken") });
    });
    expect((lines[0] as string).length).toBeLessThan(17_000);
    expect(JSON.parse(lines[0] as string)).toMatchObject({ text: "big", cut: true });
    expect(JSON.parse(lines[1] as string)).toMatchObject({ cycle: "[not representable]", big: "10" });
    expect(JSON.parse(lines[1] as string).error).toContain("broken");
  });

  it("appends to a file, and follows a rotation when told", () => {
    const folder = mkdtempSync(join(tmpdir(), "caxton-log-"));
    const path = join(folder, "caxton.log");
    const destination = openLogDestination(path);
    destination.write("one");
    renameSync(path, `${path}.1`);
    destination.reopen();
    destination.write("two");
    destination.close();
    expect(readFileSync(`${path}.1`, "utf8")).toBe("one\n");
    expect(readFileSync(path, "utf8")).toBe("two\n");
    rmSync(folder, { recursive: true });
  });

  it("says which log file cannot be opened", () => {
    expect(() => openLogDestination("/nonexistent-folder/x.log")).toThrow(
      /Cannot open the log file "\/nonexistent/,
    );
  });
});
