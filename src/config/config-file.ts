/**
 * A YAML file as settings with their places. Walks the syntax tree along the known keys, so that
 * each problem has its line; a hostile file (huge, deep, alias bomb) is refused, never expanded.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from "yaml";
import type { Document, Node, Pair, YAMLError } from "yaml";
import { quote } from "../base/ids.ts";
import { isKey } from "./key.ts";
import type { Key, Section } from "./key.ts";
import { configKeys, topLevelAliases } from "./keys.ts";
import type { Problem, Setting, Source } from "./setting.ts";
import { inputOfText, substitute } from "./setting-text.ts";
import { suggestKey } from "./suggest-key.ts";

export const fileLimit_characters = 256 * 1024;
const nodes_max = 10_000;
const depth_max = 16;
const misindented = "is indented otherwise than the lines of its section, which begin at one column";

type Environment = Readonly<Record<string, string | undefined>>;

export interface FileSettings {
  readonly settings: readonly Setting[];
  readonly problems: readonly Problem[];
}

/** `file` is how places name it. */
export function readConfigFile(file: string, text: string, env: Environment): FileSettings {
  return new ConfigFile(file, env).read(text);
}

class ConfigFile {
  readonly #settings: Setting[] = [];
  readonly #problems: Problem[] = [];
  readonly #lines = new LineCounter();
  #document: Document | undefined;
  #text = "";
  #nodes = 0;

  constructor(
    readonly file: string,
    readonly env: Environment,
  ) {}

  read(text: string): FileSettings {
    this.#text = text;
    if (text.length > fileLimit_characters) {
      this.#problem(0, `is longer than ${fileLimit_characters} characters`);
    } else {
      this.#readDocuments(text);
    }
    return { settings: this.#settings, problems: this.#problems };
  }

  #readDocuments(text: string): void {
    const documents = parseAllDocuments(text, { lineCounter: this.#lines, prettyErrors: false });
    if (!Array.isArray(documents) || documents.length === 0) return;
    const [document, second] = documents as Document[];
    if (document === undefined) return;
    if (second !== undefined)
      this.#problem(second.range?.[0] ?? 0, "has several documents; only one is read");
    const syntax = (documents as Document[]).flatMap((one) => [...one.errors, ...one.warnings]);
    if (syntax.length > 0) return this.#tellSyntax(syntax);
    this.#document = document;
    const root = document.contents;
    if (root === null || (isScalar(root) && root.value === null)) return;
    this.#readSection(root, configKeys, "");
  }

  /** A line that is indented by mistake is one mistake, and stands where it is: the library tells what that made of others. */
  #tellSyntax(syntax: readonly YAMLError[]): void {
    const indented = syntax.find(({ code }) => code === "MULTILINE_IMPLICIT_KEY");
    if (indented !== undefined) return this.#problem(this.#lineOf(indented.pos[1] - 1), misindented);
    for (const { code, pos, message } of syntax) {
      const isBlock = code === "BAD_INDENT" && message.startsWith("All ");
      this.#problem(isBlock ? this.#lineOf(pos[0]) : pos[0], isBlock ? misindented : firstLine(message));
    }
  }

  /** Where the text of the line of `offset` begins. */
  #lineOf(offset: number): number {
    const { line, col } = this.#lines.linePos(offset);
    const start = this.#lines.lineStarts[line - 1] ?? offset - col + 1;
    return start + (this.#text.slice(start).match(/^ */)?.[0].length ?? 0);
  }

  #readSection(unresolved: Node, section: Section, path: string): void {
    const node = this.#resolve(unresolved);
    if (node === undefined) return;
    const where = path === "" ? "the file" : path;
    if (isScalar(node) && node.value === null) return;
    if (!isMap(node)) return this.#problem(node, `${where} must be a section with keys`);
    for (const pair of node.items) this.#readPair(pair as Pair<Node, Node | null>, section, path);
  }

  #readPair(pair: Pair<Node, Node | null>, section: Section, path: string): void {
    const { key: name, value } = pair;
    if (!isScalar(name) || typeof name.value !== "string") {
      return this.#problem(name, `a key of ${path === "" ? "the file" : path} must be a word`);
    }
    const word = name.value;
    if (path === "" && Object.hasOwn(topLevelAliases, word)) {
      const target = topLevelAliases[word] as string;
      return value === null ? undefined : this.#readSection(value, sectionAt(target), target);
    }
    const full = path === "" ? word : `${path}.${word}`;
    const entry = Object.hasOwn(section, word) ? section[word] : undefined;
    if (entry === undefined) return this.#problem(name, `unknown key ${quote(full)}${suggestKey(full)}`);
    if (value === null) return undefined;
    if (!isKey(entry)) return this.#readSection(value, entry, full);
    this.#readValue(value, entry, full);
  }

  #readValue(unresolved: Node, key: Key<unknown>, path: string): void {
    const node = this.#resolve(unresolved);
    if (node === undefined || (isScalar(node) && node.value === null)) return;
    const before = this.#problems.length;
    let input = this.#plain(node, 0);
    // A plain scalar with a variable in it means what its text means then; a quoted one stays text.
    const substituted =
      isScalar(node) && node.type === "PLAIN" && typeof node.value === "string" && /\$\{/.test(node.value);
    if (substituted && typeof input === "string") input = inputOfText(key, input);
    if (this.#problems.length > before) return;
    const earlier = this.#settings.find((setting) => setting.path === path);
    if (earlier !== undefined) return this.#problem(node, `${path} is set twice in this file`);
    this.#settings.push({ path, input, source: this.#place(node) });
  }

  /** The node as plain data, with variables put in. */
  #plain(unresolved: unknown, depth: number): unknown {
    const node = this.#resolve(unresolved as Node);
    if (node === undefined) return null;
    if (depth > depth_max) return this.#problem(node, `is nested more than ${depth_max} levels deep`);
    if (isScalar(node)) {
      if (typeof node.value !== "string") return node.value;
      const { text, problem } = substitute(node.value, this.env);
      if (problem !== undefined) this.#problem(node, problem);
      return text;
    }
    if (isSeq(node)) return node.items.map((item) => this.#plain(item, depth + 1));
    if (!isMap(node)) return null;
    return Object.fromEntries(
      node.items.map((pair) => [
        String(this.#plain(pair.key, depth + 1)),
        this.#plain(pair.value, depth + 1),
      ]),
    );
  }

  /** Follows an alias; counts every visit, so that aliases of aliases cannot grow without bound. */
  #resolve(node: Node): Exclude<Node, { source: string }> | undefined {
    this.#nodes += 1;
    if (this.#nodes === nodes_max) this.#problem(node, `has more than ${nodes_max} values`);
    if (this.#nodes >= nodes_max) return undefined;
    const target = isAlias(node) ? node.resolve(this.#document as Document) : node;
    if (target === undefined) this.#problem(node, "refers to an anchor that is not there");
    return target;
  }

  #place(at: Node | number): Source {
    const offset = typeof at === "number" ? at : (at.range?.[0] ?? 0);
    const { line, col } = this.#lines.linePos(offset);
    return { kind: "file", file: this.file, line: Math.max(1, line), column: Math.max(1, col) };
  }

  #problem(at: Node | number, text: string): undefined {
    this.#problems.push({ source: this.#place(at), text });
  }
}

function sectionAt(path: string): Section {
  let section: Section = configKeys;
  for (const word of path.split(".")) section = section[word] as Section;
  return section;
}

function firstLine(text: string): string {
  return (text.split("\n")[0] as string).trim();
}
