/**
 * Random modules from a seed: typed expressions and structured control, all loops bounded, calls only
 * to functions before, so that every program ends; it may trap on the way. Each exports `f0` to `f3`,
 * `(i32, i32) -> i64`, and its memory.
 */
import { Prng } from "../../src/base/prng.ts";
import { WasmBuilder, code, t } from "./wasm-builder.ts";

type NumberType = "i32" | "i64" | "f32" | "f64";
const types: readonly NumberType[] = ["i32", "i64", "f32", "f64"];

/** [unary, binary, comparisons giving i32], by type. */
const operators: Readonly<Record<NumberType, readonly [number[], number[], number[]]>> = {
  i32: [
    [0x67, 0x68, 0x69, 0xc0, 0xc1],
    [0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78],
    [0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b],
  ],
  i64: [
    [0x79, 0x7a, 0x7b, 0xc2, 0xc3, 0xc4],
    [0x7c, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88],
    [0x51, 0x52, 0x53, 0x54, 0x55],
  ],
  f32: [
    [0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x91],
    [0x92, 0x93, 0x94, 0x95, 0x96, 0x97],
    [0x5b, 0x5c, 0x5d, 0x5e],
  ],
  f64: [
    [0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f],
    [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5],
    [0x61, 0x62, 0x63, 0x64],
  ],
};

/** Conversions: to, from, bytes. Some trap. */
const conversions: readonly (readonly [NumberType, NumberType, readonly number[]])[] = [
  ["i32", "i64", [0xa7]],
  ["i64", "i32", [0xac]],
  ["i64", "i32", [0xad]],
  ["f32", "i32", [0xb2]],
  ["f64", "i64", [0xb9]],
  ["f64", "f32", [0xbb]],
  ["f32", "f64", [0xb6]],
  ["i32", "f64", [0xfc, 0x02]],
  ["i64", "f64", [0xfc, 0x06]],
  ["i32", "f32", [0xa8]],
];

const access: Readonly<Record<NumberType, readonly [load: number, store: number]>> = {
  i32: [0x28, 0x36],
  i64: [0x29, 0x37],
  f32: [0x2a, 0x38],
  f64: [0x2b, 0x39],
};

/** Two parameters, two locals of each type, then counters of loops. */
const firstLocal = 2;
const counters = 6;
const localOf = (type: NumberType, which: number): number => firstLocal + types.indexOf(type) * 2 + which;
const counterAt = (depth: number): number => firstLocal + types.length * 2 + depth;

class ProgramMaker {
  readonly #prng: Prng;
  /** Functions that may be called. */
  #callable = 0;
  #loops = 0;
  #labels = 0;
  #budget = 0;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  make(): Uint8Array<ArrayBuffer> {
    const builder = new WasmBuilder();
    builder.memory(1, 3);
    builder.export("memory", 2, 0);
    builder.table(4);
    for (const type of types) builder.global(t[type], true, this.#constant(type));
    for (let i = 0; i < 4; i++) {
      this.#callable = i;
      this.#budget = 60;
      const body = [...this.#statements(3), ...this.#expression("i64", 3)];
      builder.function({
        params: [t.i32, t.i32],
        results: [t.i64],
        locals: [
          ...types.flatMap((type) => [t[type], t[type]]),
          ...Array.from({ length: counters }, () => t.i32),
        ],
        code: body,
        export: `f${i}`,
      });
    }
    builder.element(0, [0, 1]);
    return builder.build();
  }

  #statements(depth: number): number[] {
    const out: number[] = [];
    for (let i = this.#prng.between(1, 5); i > 0 && this.#budget > 0; i--) {
      this.#budget--;
      out.push(...this.#statement(depth));
    }
    return out;
  }

  #statement(depth: number): number[] {
    const prng = this.#prng;
    const type = this.#type();
    switch (depth > 0 ? prng.below(13) : prng.below(6)) {
      case 0:
      case 1:
        return [...this.#expression(type, 3), ...code.set(localOf(type, prng.below(2)))];
      case 2:
        return [...this.#expression(type, 2), ...code.globalSet(types.indexOf(type))];
      case 3:
        return [
          ...this.#address(),
          ...this.#expression(type, 2),
          ...code.access(access[type][1], prng.below(64)),
        ];
      case 4:
        return [...this.#expression("i32", 2), ...this.#branch(0x0d)];
      case 5:
        return this.#bulk();
      case 6:
      case 7:
        return this.#nested(() => {
          const otherwise = prng.chance(0.5) ? this.#statements(depth - 1) : null;
          return [...this.#condition(), ...code.if(this.#statements(depth - 1), otherwise)];
        });
      case 8:
        return this.#nested(() => code.block([...this.#statements(depth - 1), ...this.#leave()]));
      case 9:
      case 10:
        return this.#loop(depth);
      case 11:
        return this.#switch(depth);
      default:
        return prng.chance(0.3) ? [...this.#expression("i64", 2), 0x0f] : [0x01];
    }
  }

  /** A branch out, with code behind it that is never reached. */
  #leave(): number[] {
    if (!this.#prng.chance(0.3)) return [];
    return [...this.#branch(0x0c), ...(this.#prng.chance(0.5) ? code.block([...code.i32(1), 0x1a]) : [])];
  }

  /** To a label inside the function: its own result would have to be on the stack. */
  #branch(opcode: number): number[] {
    if (this.#labels === 0) return opcode === 0x0d ? [0x1a] : [];
    return [opcode, this.#prng.below(this.#labels)];
  }

  #nested(make: () => number[]): number[] {
    this.#labels++;
    const made = make();
    this.#labels--;
    return made;
  }

  #loop(depth: number): number[] {
    if (this.#loops >= 3) return [0x01];
    const counter = counterAt(this.#loops++);
    this.#labels += 2;
    const body = [
      ...code.get(counter),
      0x45,
      ...code.brIf(1),
      ...code.get(counter),
      ...code.i32(1),
      0x6b,
      ...code.set(counter),
      ...this.#statements(depth - 1),
      ...code.br(0),
    ];
    this.#labels -= 2;
    this.#loops--;
    return [...code.i32(this.#prng.below(6)), ...code.set(counter), ...code.block(code.loop(body))];
  }

  #switch(depth: number): number[] {
    const cases = this.#prng.between(1, 4);
    this.#labels += cases;
    const labels = Array.from({ length: this.#prng.below(5) }, () => this.#prng.below(cases));
    let out = [...this.#expression("i32", 2), ...code.brTable(labels, this.#prng.below(cases))];
    for (let i = 0; i < cases; i++) {
      out = code.block(out);
      this.#labels--;
      if (i < cases - 1) out.push(...this.#statements(depth - 1));
    }
    return out;
  }

  #bulk(): number[] {
    const [to, length] = [this.#address(), code.i32(this.#prng.below(200))];
    if (this.#prng.chance(0.1)) return [...code.i32(this.#prng.below(2)), 0x40, 0, 0x1a];
    if (this.#prng.chance(0.5)) return [...to, ...this.#expression("i32", 1), ...length, 0xfc, 0x0b, 0];
    return [...to, ...this.#address(), ...length, 0xfc, 0x0a, 0, 0];
  }

  #address(): number[] {
    return [...this.#expression("i32", 1), ...code.i32(0x3fff), 0x71];
  }

  #condition(): number[] {
    const type = this.#type();
    return [...this.#expression(type, 2), ...this.#expression(type, 2), this.#one(operators[type][2])];
  }

  #expression(type: NumberType, depth: number): number[] {
    const prng = this.#prng;
    switch (depth === 0 ? prng.below(3) : prng.below(12)) {
      case 0:
        return this.#constant(type);
      case 1:
        return code.get(localOf(type, prng.below(2)));
      case 2:
        return type === "i32" ? code.get(prng.below(2)) : code.globalGet(types.indexOf(type));
      case 3:
        return [...this.#expression(type, depth - 1), this.#one(operators[type][0])];
      case 4:
      case 5:
        return [
          ...this.#expression(type, depth - 1),
          ...this.#expression(type, depth - 1),
          this.#one(operators[type][1]),
        ];
      case 6:
        return [...this.#address(), ...code.access(access[type][0], prng.below(64))];
      case 7: {
        const fitting = conversions.filter(([to]) => to === type);
        const [, from, bytes] = fitting[prng.below(fitting.length)] ?? ["i32", "i32", [] as number[]];
        return [...this.#expression(from, depth - 1), ...bytes];
      }
      case 8:
        return [
          ...this.#expression(type, depth - 1),
          ...this.#expression(type, depth - 1),
          ...this.#condition(),
          0x1b,
        ];
      case 9:
        return [...this.#expression(type, depth - 1), ...code.tee(localOf(type, prng.below(2)))];
      case 10:
        return type === "i64" ? this.#call(depth) : type === "i32" ? [0x3f, 0] : this.#constant(type);
      default: {
        // A value on a label.
        const value = this.#expression(type, depth - 1);
        return code.block([...value, ...this.#condition(), ...code.brIf(0)], t[type]);
      }
    }
  }

  #call(depth: number): number[] {
    if (this.#callable === 0 || this.#loops > 1) return this.#constant("i64");
    const parameters = [...this.#expression("i32", depth - 1), ...this.#expression("i32", depth - 1)];
    if (this.#callable < 2 || this.#prng.chance(0.7))
      return [...parameters, ...code.call(this.#prng.below(this.#callable))];
    return [...parameters, ...this.#expression("i32", 0), ...code.i32(3), 0x71, ...code.callIndirect(0)];
  }

  #constant(type: NumberType): number[] {
    const wild = this.#prng.u32();
    const small = this.#prng.below(100) - 50;
    const value = this.#prng.chance(0.7) ? small : wild;
    if (type === "i32") return code.i32(value);
    if (type === "i64") return code.i64(BigInt(value) * (this.#prng.chance(0.3) ? 0x1_0000_0001n : 1n));
    return type === "f32" ? code.f32(value / 8) : code.f64(value / 8);
  }

  #type(): NumberType {
    return types[this.#prng.below(types.length)] as NumberType;
  }

  #one(opcodes: readonly number[]): number {
    return opcodes[this.#prng.below(opcodes.length)] as number;
  }
}

/** The module of a seed. */
export function randomProgram(seed: number): Uint8Array<ArrayBuffer> {
  return new ProgramMaker(seed).make();
}
