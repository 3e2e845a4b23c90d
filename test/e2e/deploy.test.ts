import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repositoryRoot } from "../support/source-tree.ts";
import { thorough } from "../support/thorough.ts";

const script = join(repositoryRoot, "deploy", "install.sh");

/** A checkout with only what is installed, so that copying it is quick. */
let root = "";

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function install(...flags: readonly string[]): Ran {
  const { status, stdout, stderr } = spawnSync("sh", [script, "--root", root, ...flags], {
    encoding: "utf8",
  });
  return { code: status, stdout, stderr };
}

function inRoot(...path: readonly string[]): string {
  return join(root, ...path);
}

function modeOf(...path: readonly string[]): string {
  return (statSync(inRoot(...path)).mode & 0o777).toString(8);
}

function release(link: "current" | "previous"): string {
  return readlinkSync(inRoot("opt/caxton", link)).replace("releases/", "");
}

describe("install.sh below an empty folder", () => {
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "caxton-root-"));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test("a dry run changes nothing", () => {
    const { code, stdout } = install("--bun", process.execPath, "--dry-run");
    expect(code).toBe(0);
    expect(stdout).toContain("would run: mkdir -p");
    expect(stdout).toMatch(/\nWould have installed Caxton .*; nothing was done\n$/);
    expect(stdout).not.toMatch(/^(?:Fetching|Installing|Installed) /m);
    expect(readdirSync(root)).toEqual([]);
  });

  test("installs release, command, configuration and unit with their modes", () => {
    const { code, stderr, stdout } = install("--bun", process.execPath);
    expect([code, stderr.includes("install.sh:")]).toEqual([0, false]);
    expect(stdout).toContain("Installed Caxton");
    expect(stdout).toContain("does not run in place");
    expect([modeOf("etc/caxton"), modeOf("etc/caxton/config.yaml")]).toEqual(["750", "640"]);
    expect([modeOf("var/lib/caxton"), modeOf("var/log/caxton"), modeOf("opt/caxton")]).toEqual([
      "700",
      "750",
      "755",
    ]);
    expect(readFileSync(inRoot("etc/systemd/system/caxton.service"), "utf8")).toBe(
      readFileSync(join(repositoryRoot, "deploy", "caxton.service"), "utf8"),
    );
    expect(modeOf("usr/local/bin/caxton")).toBe("755");
    expect(existsSync(inRoot("opt/caxton/current/node_modules/vitest"))).toBe(false);
  });

  test("what is installed runs, with the Bun that was installed", () => {
    const current = inRoot("opt/caxton/current");
    const { stdout, status } = spawnSync(
      join(current, "bun"),
      [join(current, "src/cli/main.ts"), "version"],
      {
        encoding: "utf8",
        cwd: root,
      },
    );
    expect(status).toBe(0);
    expect(stdout).toContain("Bun 1.4.5");
  });

  test("an upgrade keeps configuration, data and the release before", () => {
    const first = release("current");
    writeFileSync(inRoot("etc/caxton/config.yaml"), "node: {region: mine}\n");
    mkdirSync(inRoot("var/lib/caxton/store"));
    expect(install().code).toBe(0);
    expect(release("previous")).toBe(first);
    expect(release("current")).not.toBe(first);
    expect(readFileSync(inRoot("etc/caxton/config.yaml"), "utf8")).toBe("node: {region: mine}\n");
    expect(existsSync(inRoot("var/lib/caxton/store"))).toBe(true);
    // Each installs all dependencies: a third is for thorough runs.
    if (thorough) expect(install().code).toBe(0);
    expect(readdirSync(inRoot("opt/caxton/releases"))).toHaveLength(2);
  });

  test("a rollback returns to the release before, and back again", () => {
    const [current, previous] = [release("current"), release("previous")];
    expect(install("--rollback").code).toBe(0);
    expect([release("current"), release("previous")]).toEqual([previous, current]);
    expect(install("--rollback").code).toBe(0);
    expect(release("current")).toBe(current);
  });

  test("a configuration that the new release refuses stops the upgrade and leaves the old one", () => {
    const before = release("current");
    const releases = readdirSync(inRoot("opt/caxton/releases"));
    writeFileSync(inRoot("etc/caxton/config.yaml"), "nod: {}\n");
    const { code, stderr } = install();
    expect(code).toBe(2);
    expect(stderr).toContain('did you mean "node"?');
    expect(release("current")).toBe(before);
    expect(readdirSync(inRoot("opt/caxton/releases"))).toEqual(releases);
  });

  test("refuses another Bun and unknown options before it changes anything", () => {
    rmSync(inRoot("opt/caxton/runtime"), { recursive: true });
    const { code, stderr } = install("--bun", "/bin/true");
    expect([code, stderr.includes("/bin/true is not Bun 1.4.5")]).toEqual([1, true]);
    expect(install("--nope").code).toBe(2);
    expect(install("--bun").code).toBe(2);
  });
});

describe("the unit", () => {
  const unit = readFileSync(join(repositoryRoot, "deploy", "caxton.service"), "utf8");

  test("starts Bun itself, always again, and waits longer than a node drains", () => {
    expect(unit).toMatch(
      /^ExecStart=\/opt\/caxton\/current\/bun \/opt\/caxton\/current\/src\/cli\/main\.ts server start /m,
    );
    expect(unit).toMatch(/^Restart=always$/m);
    expect(unit).toMatch(/^StartLimitIntervalSec=0$/m);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(30 + 10);
    expect(unit).not.toContain("MemoryDenyWriteExecute=");
  });

  const systemd = spawnSync("systemd-analyze", ["--version"]).status === 0;

  test.skipIf(!systemd)("has no mistake that systemd-analyze finds", () => {
    const folder = mkdtempSync(join(tmpdir(), "caxton-unit-"));
    const path = join(folder, "caxton.service");
    // The program of the unit is not installed on this machine; everything else is checked as it stands.
    writeFileSync(path, unit.replace(/^ExecStart=.*$/m, "ExecStart=/bin/true"));
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
    rmSync(folder, { recursive: true });
    expect([status, stderr]).toEqual([0, ""]);
  });
});
