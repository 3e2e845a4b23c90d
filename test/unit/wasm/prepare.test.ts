/** What a module is refused for, and that the text says what to do; what a good one comes out as. */
import { describe, expect, test } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { prepareModule } from "../../../src/wasm/prepare.ts";
import type { PrepareOptions } from "../../../src/wasm/prepare.ts";
import { allGranted, mebibyte } from "../../support/wasm-agents.ts";
import { WasmBuilder, agentBuilder, code, t, uleb } from "../../support/wasm-builder.ts";

function refusal(bytes: Uint8Array, options: PrepareOptions = allGranted): string {
  try {
    prepareModule(bytes, options);
  } catch (thrown) {
    if (thrown instanceof CaxtonError && thrown.code === "invalid_module") return thrown.message;
    throw thrown;
  }
  return "accepted";
}

const raw = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const body = (...bytes: number[]): Uint8Array => agentBuilder(bytes).build();
const withParts = (add: (b: WasmBuilder) => unknown): Uint8Array => {
  const builder = agentBuilder([]);
  add(builder);
  return builder.build();
};
const before = (add: (b: WasmBuilder) => unknown): Uint8Array =>
  agentBuilder([], { before: (b) => void add(b) }).build();
const withMemory = (bytes: number[]): Uint8Array => {
  const builder = new WasmBuilder();
  builder.rawMemory(bytes);
  builder.export("memory", 2, 0);
  return builder.build();
};

describe("the file", () => {
  test.each([
    ["nothing", raw(), "does not begin with \\0asm"],
    ["a few bytes", raw(0, 0x61, 0x73), "does not begin with \\0asm"],
    ["another format", raw(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0), "is it a .wasm file?"],
    ["the text format", new TextEncoder().encode("(module (memory 1))"), "compile it first"],
    ["a component", raw(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0), "component; build a core module"],
    ["another version", raw(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0), "version 2"],
    ["more than 16 MiB", new Uint8Array(16 * mebibyte + 1), "limit is 16MiB"],
    ["a custom section without a name", raw(...header, 0, 0), "truncated"],
    ["a custom section whose name is longer than it", raw(...header, 0, 3, 0xc8, 1, 0x61), "truncated"],
    ["a custom section whose name is not text", raw(...header, 0, 3, 2, 0xff, 0xfe), "not UTF-8"],
    ["a truncated section", raw(...header, 1, 5, 1), "offset 8"],
    ["an unknown section", raw(...header, 77, 0), "unknown section 77"],
    ["a repeated section", raw(...header, 1, 1, 0, 1, 1, 0), "repeated or out of order"],
    ["sections out of order", raw(...header, 3, 1, 0, 1, 1, 0), "repeated or out of order"],
    ["bytes behind a section's entries", raw(...header, 1, 2, 0, 0), "1 bytes too many"],
    ["a count beyond the bytes", raw(...header, 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f), "do not fit"],
    ["a number without end", raw(...header, 1, 6, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80), "exceeds 32 bits"],
  ])("%s", (_, bytes, text) => {
    const message = refusal(bytes);
    expect(message).toContain("Module refused: ");
    expect(message).toContain(text);
  });

  test("functions without code, and data counted wrong", () => {
    expect(refusal(raw(...header, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0))).toContain(
      "1 functions are declared but 0 have code",
    );
    const builder = agentBuilder([]);
    builder.section(9, 12, uleb(3));
    expect(refusal(builder.build())).toContain("3 data segments are announced but there are 0");
  });
});

describe("features that agents may not use", () => {
  const gcType = [0x5f, 0];
  test.each([
    ["gc types", before((b) => b.rawType(gcType)), "garbage-collected types"],
    ["gc instructions", body(0xfb, 0x00, 0x00), "function 1 uses garbage-collected types"],
    ["atomics", body(0xfe, 0x10, 2, 0), "function 1 uses threads or atomics"],
    ["shared memory", withMemory([3, 1, 2]), "threads or atomics"],
    ["64-bit memory", withMemory([4, 1]), "wasm32"],
    ["custom pages", withMemory([8, 1, 0]), "64KiB"],
    ["two memories", withParts((b) => b.memory(1)), "several memories"],
    ["a memory index", body(...code.i32(0), 0x28, 0x42, 0, 0, 0x1a), "several memories"],
    ["relaxed SIMD", body(0xfd, 0x80, 0x02), "relaxed SIMD"],
    ["exceptions", body(0x06, 0x40, 0x0b), "exceptions (try, offset"],
    ["exception tags", withParts((b) => b.section(5, 13, [0])), "exceptions"],
    ["call_ref", body(0x14, 0), "typed function references (call_ref"],
    ["typed references", before((b) => b.rawType([0x60, 1, 0x64, 0, 0])), "typed function references"],
    ["table.set", body(0x26, 0), "table that changes at run time, which snapshots would lose (table.set"],
    ["table.grow", body(0xfc, 15, 0), "(table.grow, offset"],
    ["table.fill", body(0xfc, 17, 0), "(table.fill, offset"],
    ["table.copy", body(0xfc, 14, 0, 0), "(table.copy, offset"],
    ["table.init", body(0xfc, 12, 0, 0), "(table.init, offset"],
    ["data.drop", body(0xfc, 9, 0), "(data.drop, offset"],
    ["elem.drop", body(0xfc, 13, 0), "(elem.drop, offset"],
    ["an unknown opcode", body(0xff), "unknown instruction (opcode 0xff, offset"],
    ["an unknown bulk opcode", body(0xfc, 99), "unknown instruction (opcode 0xfc 0x63"],
    ["mutable references", withParts((b) => b.global(t.funcref, true, [0xd0, 0x70])), "mutable reference"],
    ["large tables", withParts((b) => b.table(70_000)), "70000 entries and 65536 are allowed"],
    ["several large tables", withParts((b) => [b.table(40_000), b.table(40_000)]), "80000 entries"],
  ])("%s", (_, bytes, text) => {
    expect(refusal(bytes)).toContain(text);
  });
});

describe("what is too large", () => {
  const nested = (depth: number): number[] => [
    ...Array.from({ length: depth }, () => [0x02, 0x40]).flat(),
    ...Array.from({ length: depth }, () => 0x0b),
  ];
  const locals = (count: number): Uint8Array =>
    withParts((b) => b.rawFunction(b.type([], []), [1, ...uleb(count), t.i32, 0x0b]));

  test("nesting, up to the limit and beyond", () => {
    expect(refusal(body(...nested(4_096)))).toBe("accepted");
    expect(refusal(body(...nested(4_097)))).toContain("nests more than 4096 blocks");
  });

  test("locals", () => {
    expect(refusal(locals(10_000))).toBe("accepted");
    expect(refusal(locals(10_001))).toContain("more than 10000 locals");
    expect(refusal(locals(0xffff_ffff))).toContain("more than 10000 locals");
  });

  test("memory that begins above the limit", () => {
    const options = { ...allGranted, limits: { memory_bytes: mebibyte } };
    expect(refusal(agentBuilder([], { pages: 17 }).build(), options)).toContain("raise it with --memory");
    expect(refusal(agentBuilder([], { pages: 16 }).build(), options)).toBe("accepted");
  });

  test("a body that metering makes too large", () => {
    const branch = [...code.i32(0), ...code.brIf(0)];
    const branches = Array.from({ length: 600_000 }, () => branch).flat();
    expect(refusal(agentBuilder(branches).build())).toContain("when it is metered");
  });
});

describe("imports", () => {
  const importing = (
    module: string,
    name: string,
    params: number[] = [],
    results: number[] = [],
  ): Uint8Array => before((b) => b.importFunction(module, name, params, results));

  test.each([
    ["WASI", importing("wasi_snapshot_preview1", "fd_write"), ["wasi_snapshot_preview1.fd_write", "no WASI"]],
    ["abort", importing("env", "abort"), ["env.abort", "--use abort="]],
    ["wasm-bindgen", importing("wbg", "x"), ["wbg.x", "without wasm-bindgen"]],
    ["an unknown function", importing("caxton", "exec"), ["caxton.exec", "it offers log, send, now"]],
    ["a name of Object", importing("caxton", "toString"), ["caxton.toString"]],
    ["another module", importing('a"b', "c"), ['only the module "caxton"']],
    ["a wrong signature", importing("caxton", "now", [t.i32]), ["caxton.now", "declare it as now() -> f64"]],
    ["a memory", before((b) => b.rawImport("env", "memory", [2, 0, 1])), ["imported memory", "env.memory"]],
    ["a table", before((b) => b.rawImport("env", "table", [1, 0x70, 0, 1])), ["imports a table, env.table"]],
    ["a global", before((b) => b.rawImport("env", "g", [3, 0x7f, 0])), ["imports a global, env.g"]],
  ] as const)("%s", (_, bytes, texts) => {
    for (const text of texts) expect(refusal(bytes)).toContain(text);
  });

  test("what is not granted names the capability", () => {
    const bytes = importing("caxton", "timer_cancel", [t.i32], [t.i32]);
    expect(refusal(bytes, { ...allGranted, granted: ["log"] })).toContain("grant it with --capability timer");
    expect(refusal(bytes, { ...allGranted, granted: ["timer"] })).toBe("accepted");
  });
});

describe("exports", () => {
  test.each([
    ["no memory", new WasmBuilder().build(), 'export it as "memory"'],
    ["memory not exported", withNoExport(), 'export it as "memory"'],
    ["no alloc", withMemory([0, 1]), "export alloc(len: i32) -> i32"],
    [
      "init with a parameter",
      withParts((b) => b.function({ params: [t.i32], code: [], export: "init" })),
      'its export "init" is not init()',
    ],
    [
      "save of i32",
      withParts((b) => b.function({ results: [t.i32], code: code.i32(0), export: "save" })),
      "save() -> i64",
    ],
    [
      "a global called load",
      withParts((b) => b.global(t.i32, false, code.i32(0), "load")),
      "load(ptr: i32, len: i32)",
    ],
    ["the same name twice", withParts((b) => [b.export("x", 0, 0), b.export("x", 0, 0)]), "is repeated"],
    ["what does not exist", withParts((b) => b.export("x", 0, 99)), "function 99, which does not exist"],
  ])("%s", (_, bytes, text) => {
    expect(refusal(bytes)).toContain(text);
  });

  function withNoExport(): Uint8Array {
    const builder = new WasmBuilder();
    builder.memory(1);
    return builder.build();
  }
});

describe("indices beyond the module's own, where the rewriter puts its parts", () => {
  const reaching: (readonly [string, Uint8Array])[] = [
    ...[0, 1, 2, 3, 4].flatMap((index): (readonly [string, Uint8Array])[] => [
      [`global.get ${index}`, body(...code.globalGet(index), 0x1a)],
      [`global.set ${index}`, body(...code.i32(1_000_000), ...code.globalSet(index))],
    ]),
    ["a call of a helper", body(...code.i32(9), ...code.i32(9), ...code.call(7))],
    ["ref.func of a helper", body(...code.refFunc(7), 0x1a)],
    ["a helper in a table", withParts((b) => [b.table(1), b.element(0, [7])])],
    ["a helper exported", withParts((b) => b.export("x", 0, 7))],
    ["a helper as start", withParts((b) => b.start(7))],
    ["a local of ours", body(...code.get(2), 0x1a)],
    ["a label outside of the wrapper", body(...code.br(1))],
    ["a type of ours", body(0x02, 9, 0x0b)],
    [
      "an indirect call with a type of ours",
      withParts((b) => [b.table(1), b.function({ code: [...code.i32(0), ...code.callIndirect(9)] })]),
    ],
  ];

  test.each(reaching)("%s is refused", (_, bytes) => {
    expect(refusal(bytes)).toMatch(/uses (global|function|local|label|type) \d+ of \d+|does not exist/);
  });
});

describe("an accepted module", () => {
  test("tells its imports, exports and memory", () => {
    const builder = agentBuilder([], {
      pages: 3,
      maximum: 20,
      before: (b) => {
        b.importFunction("caxton", "now", [], [t.f64]);
        b.importFunction("caxton", "now", [], [t.f64]);
        b.function({ code: [], export: "init" });
        b.function({ code: [], export: "_initialize" });
      },
    });
    expect(prepareModule(builder.build(), allGranted)).toMatchObject({
      imports: ["now"],
      exports: { init: true, save: false, load: false, on_timer: false, initialize: true },
      memory: { initial_pages: 3, maximum_pages: 20 },
    });
  });

  test("comes out the same every time, valid, without custom sections and other exports", () => {
    const builder = agentBuilder([...code.call(0), 0x1a, ...code.i32(1), 0x40, 0, 0x1a]);
    builder.function({ code: [], export: "secret" });
    builder.section(11, 0, [4, 0x6e, 0x61, 0x6d, 0x65, 0, 0]);
    const wrong = agentBuilder([...code.i32(1), ...code.call(0), 0x1a]);
    wrong.function({ code: [], export: "secret" });
    const first = prepareModule(wrong.build(), allGranted).instrumented;
    expect(prepareModule(wrong.build(), allGranted).instrumented).toEqual(first);
    const module = new WebAssembly.Module(first);
    const names = WebAssembly.Module.exports(module).map(({ name }) => name);
    expect(names.filter((name) => !name.startsWith("caxton:"))).toEqual(["memory", "alloc", "handle"]);
    expect(WebAssembly.Module.customSections(module, "name")).toEqual([]);
    expect(() => prepareModule(builder.build(), allGranted)).not.toThrow();
  });

  test("memory is capped by the limit, its own maximum, or 4 GiB", () => {
    const maximum = (own: number | null, limit_bytes: number): number =>
      prepareModule(agentBuilder([], { maximum: own }).build(), {
        ...allGranted,
        limits: { memory_bytes: limit_bytes },
      }).memory.maximum_pages;
    expect(maximum(null, mebibyte)).toBe(16);
    expect(maximum(4, mebibyte)).toBe(4);
    expect(maximum(65_536, mebibyte + 1)).toBe(16);
    expect(maximum(null, 2 ** 40)).toBe(65_536);
  });
});
