/** The latest log lines of this node's agents, in memory: bounded an agent and in all; the agent silent longest goes first. */
import type { AgentName } from "../base/ids.ts";

export interface AgentLogLine {
  readonly at_ms: number;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
}

export const logLinesPerAgent = 1_000;
const logLimit_characters = 64 * 1024 * 1024;
/** Beside its text a line costs about this much. */
const line_characters = 100;

export class AgentLogs {
  /** In order of the last line. */
  readonly #lines = new Map<AgentName, AgentLogLine[]>();
  #characters = 0;

  add(agent: AgentName, line: AgentLogLine): void {
    const lines = this.#lines.get(agent) ?? [];
    this.#lines.delete(agent);
    this.#lines.set(agent, lines);
    lines.push(line);
    this.#characters += line.text.length + line_characters;
    // Halved at once rather than shifted line by line.
    if (lines.length >= 2 * logLinesPerAgent) this.#drop(lines, lines.length - logLinesPerAgent);
    while (this.#characters > logLimit_characters) this.#dropOldest();
  }

  /** Newest last, at most `limit`. */
  latest(agent: AgentName, limit: number): readonly AgentLogLine[] {
    const count = Math.min(limit, logLinesPerAgent);
    return count <= 0 ? [] : (this.#lines.get(agent)?.slice(-count) ?? []);
  }

  forget(agent: AgentName): void {
    const lines = this.#lines.get(agent);
    if (lines === undefined) return;
    this.#drop(lines, lines.length);
    this.#lines.delete(agent);
  }

  #dropOldest(): void {
    const [agent, lines] = this.#lines.entries().next().value ?? [];
    if (agent === undefined || lines === undefined) return;
    this.#drop(lines, Math.ceil(lines.length / 2));
    if (lines.length === 0) this.#lines.delete(agent);
  }

  #drop(lines: AgentLogLine[], count: number): void {
    for (const { text } of lines.splice(0, count)) this.#characters -= text.length + line_characters;
  }
}
