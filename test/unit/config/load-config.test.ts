import { describe, expect, test } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { loadConfig } from "../../../src/config/load-config.ts";
import type { ConfigInputs, LoadedConfig } from "../../../src/config/load-config.ts";

interface Given extends Partial<Omit<ConfigInputs, "readFile">> {
  readonly yaml?: string;
  readonly files?: Readonly<Record<string, string>>;
}

function load({ yaml, files, ...given }: Given): LoadedConfig {
  const all: Readonly<Record<string, string>> =
    yaml === undefined ? (files ?? {}) : { "./caxton.yaml": yaml };
  return loadConfig({ flags: {}, env: {}, readFile: (path) => all[path] ?? null, ...given });
}

/** The lines of the refusal. */
function problems(given: Given): readonly string[] {
  try {
    load(given);
  } catch (error) {
    expect(error).toBeInstanceOf(CaxtonError);
    expect((error as CaxtonError).code).toBe("invalid_config");
    return (error as CaxtonError).message.split("\n");
  }
  return [];
}

describe("precedence", () => {
  test("defaults make a one-node cluster on loopback", () => {
    const { config, warnings, file } = load({});
    expect(file).toBe(null);
    expect(warnings).toEqual([]);
    expect(config.cluster.name).toBe("caxton");
    expect(config.node.api_addr).toEqual({ host: "127.0.0.1", port: 8080 });
    expect(config.observability.metrics_addr).toEqual({ host: "127.0.0.1", port: 9090 });
    expect(config.coordination.cluster.bind_addr).toEqual({ host: "0.0.0.0", port: 7946 });
    expect(config.transport.connect_timeout).toBe(5_000);
    expect(config.agents.max_message_size).toBe(10 * 1024 * 1024);
    expect(config.node.id).toBe(null);
  });

  test("flag over environment over file over default", () => {
    const yaml = "node:\n  region: file\n  zone: file\n  id: file\n";
    const env = { CAXTON_NODE__REGION: "env", CAXTON_NODE__ZONE: "env" };
    const { config, values } = load({ yaml, env, flags: { region: "flag" } });
    expect([config.node.region, config.node.zone, config.node.id]).toEqual(["flag", "env", "file"]);
    expect(values.get("node.region")?.source).toEqual({ kind: "flag", flag: "--region" });
    expect(values.get("node.zone")?.source).toEqual({ kind: "environment", variable: "CAXTON_NODE__ZONE" });
    expect(values.get("node.id")?.source).toEqual({
      kind: "file",
      file: "./caxton.yaml",
      line: 4,
      column: 7,
    });
    expect(values.get("node.weight")?.source).toEqual({ kind: "default" });
  });

  test("the file is the named one, then CAXTON_CONFIG, then ./caxton.yaml, then /etc/caxton/config.yaml", () => {
    const files = Object.fromEntries(
      ["a", "b", "./caxton.yaml", "/etc/caxton/config.yaml"].map((path) => [
        path,
        `cluster: {name: ${path.replaceAll(/\W/g, "")}}`,
      ]),
    );
    const nameOf = (given: Given): string => load({ files, ...given }).config.cluster.name;
    expect(nameOf({ file: "a", env: { CAXTON_CONFIG: "b" } })).toBe("a");
    expect(nameOf({ env: { CAXTON_CONFIG: "b" } })).toBe("b");
    expect(nameOf({})).toBe("caxtonyaml");
    expect(load({ files: { "/etc/caxton/config.yaml": "cluster: {name: etc}" } }).config.cluster.name).toBe(
      "etc",
    );
  });

  test("a named file that is not there, and one that cannot be read", () => {
    expect(problems({ file: "gone.yaml" })).toEqual(["gone.yaml: there is no such file"]);
    const readFile = (): never => {
      throw new Error("permission denied");
    };
    expect(() => loadConfig({ flags: {}, env: {}, readFile })).toThrow(
      "./caxton.yaml: cannot be read: permission denied",
    );
  });
});

describe("values", () => {
  test("lists, numbers and truth values from the environment and from flags", () => {
    const env = {
      CAXTON_COORDINATION__CLUSTER__SEEDS: "a:7946, [::1]:7947",
      CAXTON_NODE__MAX_AGENTS: "10000",
      CAXTON_SECURITY__API__INSECURE: "true",
      CAXTON_CLUSTER_KEY: "c2VjcmV0",
    };
    const { config } = load({ env, flags: { bootstrap: "true" } });
    expect(config.coordination.cluster.seeds).toEqual([
      { host: "a", port: 7946 },
      { host: "::1", port: 7947 },
    ]);
    expect(config.node.max_agents).toBe(10_000);
    expect(config.security.api.insecure).toBe(true);
    expect(config.coordination.cluster.bootstrap).toBe(true);
    expect(config.security.cluster.key).toBe("c2VjcmV0");
  });

  test("the documents' example file is read, with a loud line for what has no effect yet", () => {
    const yaml = `
coordination:
  cluster:
    bind_addr: 0.0.0.0:7946
    advertise_addr: \${HOSTNAME}:7946
    seeds:
      - caxton-1.example.com:7946
    gossip_interval: 200ms
    gossip_fanout: 3
    probe_interval: 1s
    probe_timeout: 500ms
    gossip_to_dead: 30s
  partition:
    detection_timeout: 5s
    quorum_size: 2
`;
    const { config, warnings } = load({ yaml, env: { HOSTNAME: "node-7" } });
    expect(config.coordination.cluster.advertise_addr).toEqual({ host: "node-7", port: 7946 });
    expect(config.coordination.cluster.probe_interval).toBe(1_000);
    expect(config.coordination.partition).toMatchObject({ detection_timeout: 5_000, quorum_size: 2 });
    expect(warnings).toEqual([
      "./caxton.yaml:12:21: coordination.cluster.gossip_to_dead is accepted but has no effect in this version",
    ]);
  });

  test("a partition's decision with a condition that is none is refused by name", () => {
    const yaml = "partition:\n  decisions:\n    - condition: agents > 2\n      action: read-only\n";
    expect(problems({ yaml })[0]).toContain('"agents" is unknown; compare nodes, quorum, voters');
  });

  test("partition at the top level is coordination.partition", () => {
    const yaml =
      "partition:\n  strategy: custom\n  decisions:\n    - condition: nodes < quorum\n      action: read-only\n";
    expect(load({ yaml }).config.coordination.partition.strategy).toBe("custom");
    expect(problems({ yaml: `${yaml}coordination: {partition: {strategy: default}}` })).toEqual([
      "./caxton.yaml:6:38: coordination.partition.strategy is set twice in this file",
    ]);
  });

  test("variables: set, default, empty, escaped, inside a number", () => {
    const yaml = [
      "cluster: {name: '${NAME}'}",
      "node:",
      "  region: ${REGION:-eu}",
      "  zone: ${EMPTY:-z1}",
      "  max_agents: ${MAX:-7}",
      "  data_dir: $${literal}",
    ].join("\n");
    const { config } = load({ yaml, env: { NAME: "n", EMPTY: "" } });
    expect(config.cluster.name).toBe("n");
    expect(config.node).toMatchObject({ region: "eu", zone: "z1", max_agents: 7, data_dir: "${literal}" });
  });

  test("an anchor may be used again", () => {
    const yaml = "node: {region: &r eu, zone: *r}";
    expect(load({ yaml }).config.node.zone).toBe("eu");
  });

  test("empty files, sections and values change nothing", () => {
    for (const yaml of ["", "# nothing\n", "---\n", "node:\n", "node:\n  id:\n", "node: ~\n"]) {
      expect(load({ yaml }).config).toEqual(load({}).config);
    }
  });
});

describe("refusals have a place and a next step", () => {
  test.each([
    ["node:\n  reigon: eu", './caxton.yaml:2:3: unknown key "node.reigon"; did you mean "node.region"?'],
    [
      "bind_addr: 1.2.3.4:5",
      './caxton.yaml:1:1: unknown key "bind_addr"; did you mean "coordination.cluster.bind_addr"?',
    ],
    ["clutser: {}", './caxton.yaml:1:1: unknown key "clutser"; did you mean "cluster"?'],
    ["qqqqqqqqq: 1", './caxton.yaml:1:1: unknown key "qqqqqqqqq"'],
    ["__proto__: {a: 1}", './caxton.yaml:1:1: unknown key "__proto__"'],
    ["constructor: 1", './caxton.yaml:1:1: unknown key "constructor"'],
    ["node: 7", "./caxton.yaml:1:7: node must be a section with keys"],
    ["[1, 2]", "./caxton.yaml:1:1: the file must be a section with keys"],
    ["? [a]\n: 1", "./caxton.yaml:1:3: a key of the file must be a word"],
    [
      "node: {max_agents: many}",
      "./caxton.yaml:1:20: node.max_agents must be a whole number from 0 to 1000000",
    ],
    [
      "node: {max_agents: '7'}",
      "./caxton.yaml:1:20: node.max_agents must be a whole number from 0 to 1000000",
    ],
    [
      "node: {region: 7}",
      "./caxton.yaml:1:16: node.region must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit",
    ],
    [
      "transport: {keep_alive: 10}",
      "./caxton.yaml:1:25: transport.keep_alive must be a duration like 500ms, 30s or 5m",
    ],
    [
      "transport: {keep_alive: 10x}",
      './caxton.yaml:1:25: transport.keep_alive is wrong: Duration "10x" is not like 500ms, 30s, 5m, 24h or 7d',
    ],
    [
      "transport: {keep_alive: 1ms}",
      "./caxton.yaml:1:25: transport.keep_alive must be a duration from 100ms to 1h",
    ],
    [
      "agents: {default_fuel: 2147483648}",
      "./caxton.yaml:1:24: agents.default_fuel must be a whole number from 1000 to 2147483647",
    ],
    [
      "agents: {max_fuel: 10000}",
      "./caxton.yaml:1:20: agents.max_fuel is 10000, less than agents.default_fuel (50000000)",
    ],
    ["agents: {max_memory: 1B}", "./caxton.yaml:1:22: agents.max_memory must be a size from 64KiB to 4GiB"],
    [
      "node: {api_addr: example.com:80}",
      "./caxton.yaml:1:18: node.api_addr must be an IP address and a port to listen on, not a name",
    ],
    [
      "node: {api_addr: '127.0.0.1:70000'}",
      './caxton.yaml:1:18: node.api_addr is wrong: Port of "127.0.0.1:70000" is above 65535',
    ],
    [
      "coordination: {cluster: {seeds: [a:1, b]}}",
      './caxton.yaml:1:33: coordination.cluster.seeds[1] is wrong: Address "b" is not like node-1:7946, 10.0.0.1:7946 or [::1]:7946',
    ],
    [
      "coordination: {cluster: {seeds: a:1}}",
      "./caxton.yaml:1:33: coordination.cluster.seeds must be a list",
    ],
    [
      "coordination: {cluster: {profile: fast}}",
      "./caxton.yaml:1:35: coordination.cluster.profile must be one of local, lan, wan, auto",
    ],
    [
      "node: {region: '${NOPE}'}",
      "./caxton.yaml:1:16: environment variable NOPE is not set; write ${NOPE:-default} to give it a default",
    ],
    [
      "node: {region: '${1}'}",
      './caxton.yaml:1:16: "${1}" has a "${" that is not like ${VAR} or ${VAR:-default}',
    ],
    ["node: {region: *nowhere}", "./caxton.yaml:1:16: refers to an anchor that is not there"],
    ["a: 1\n---\nb: 2", "./caxton.yaml:2:1: has several documents; only one is read"],
    [
      "security: {api: {tls: {cert: a.pem}}}",
      "./caxton.yaml:1:30: security.api.tls.cert needs security.api.tls.key",
    ],
    [
      "coordination: {cluster: {probe_interval: 1s, probe_timeout: 1s}}",
      "./caxton.yaml:1:61: coordination.cluster.probe_timeout must be shorter than coordination.cluster.probe_interval",
    ],
    [
      "observability: {metrics_addr: 127.0.0.1:8080}",
      "./caxton.yaml:1:31: observability.metrics_addr is 127.0.0.1:8080, which node.api_addr has already",
    ],
  ])("%s", (yaml, line) => {
    expect(problems({ yaml })).toContain(line);
  });

  test("all at once, each one line", () => {
    const yaml = "node:\n  id: '!'\n  max_agents: -1\ncluster:\n  nam: x\n";
    const lines = problems({ yaml, env: { CAXTON_NODE__REIGON: "x" }, flags: { "api-addr": "nowhere" } });
    expect(lines).toHaveLength(5);
    expect(lines).toContain("CAXTON_NODE__REIGON: names no key; did you mean CAXTON_NODE__REGION?");
    expect(lines.some((line) => line.startsWith("--api-addr: node.api_addr is wrong"))).toBe(true);
  });

  test("broken YAML and a duplicate key have their line", () => {
    expect(problems({ yaml: "node:\n  id: [a\n" })[0]).toMatch(/^\.\/caxton\.yaml:\d+:\d+: /);
    expect(problems({ yaml: "node: {id: a}\nnode: {id: b}\n" })[0]).toMatch(
      /^\.\/caxton\.yaml:2:1: Map keys must be unique/,
    );
  });

  test.each([
    ["node:\n  id: a\n   zone: b\n", "./caxton.yaml:3:4: "],
    ["node:\n  id: a\n zone: b\n", "./caxton.yaml:3:2: "],
    ["node:\n  id: a\n  region: eu\n    zone: b\n", "./caxton.yaml:4:5: "],
  ])("a line that is indented by mistake is one sentence at that line: %j", (yaml, place) => {
    expect(problems({ yaml })).toEqual([
      `${place}is indented otherwise than the lines of its section, which begin at one column`,
    ]);
  });

  test("an alias bomb, a deep one and a huge file are refused, quickly", () => {
    const bomb = ["node:", "  services: &a0 [x, x, x, x, x, x, x, x, x]"];
    const nest = Array.from(
      { length: 9 },
      (_, i) => `  k${i}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(", ")}]`,
    );
    const services = ["security:", "  api:", "    cors:", ...nest.map((line) => `    ${line}`)];
    expect(problems({ yaml: [...bomb, ...services].join("\n") }).join()).toContain(
      "has more than 10000 values",
    );
    const deep = `security: {api: {cors: ${"[".repeat(100)}${"]".repeat(100)}}}`;
    expect(problems({ yaml: deep }).join()).toContain("nested more than 16 levels");
    expect(problems({ yaml: `#${"x".repeat(300_000)}` })).toEqual([
      "./caxton.yaml:1:1: is longer than 262144 characters",
    ]);
  });
});
