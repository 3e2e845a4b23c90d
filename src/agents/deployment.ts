/** What is asked for when an agent is deployed, and what became of it. */
import type { AgentName } from "../base/ids.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import type { AgentView } from "./agent-record.ts";

export interface DeployRequest {
  readonly name: AgentName;
  readonly wasm: Uint8Array;
  readonly options: Omit<
    AgentSpec,
    "name" | "module" | "revision" | "epoch" | "deployedAt_ms" | "deployedBy"
  >;
  /** How many of it run, each by a name of its own; null: as many as there are, or one alone. */
  readonly instances: number | null;
  readonly principal: string;
}

/** What became of one. */
export interface DeployedOne {
  readonly agent: AgentView;
  readonly created: boolean;
  readonly why: string;
}

/** The first instance, and all of them where there are several. */
export interface Deployed extends DeployedOne {
  readonly instances: readonly AgentView[];
}
