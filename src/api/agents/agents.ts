/** `/api/v1/agents`: list, show, remove, suspend, resume, logs. Deploying is `deploy.ts`. */
import * as v from "valibot";
import { nameInPath, queuedAgentWrite } from "./queued-agent-write.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { agentNameField, countField, nodeIdField, pageFields, timeSchema } from "../http/fields.ts";
import { pageOf } from "../http/page.ts";
import { shownStatuses } from "../../wire/agent-spec.ts";
import { agentAnswer, agentSchema } from "./agent.ts";

const logLines_max = 1_000;

export const agentsQuery = v.strictObject({
  ...pageFields,
  node: v.optional(nodeIdField),
  status: v.optional(v.picklist(shownStatuses, `not one of ${shownStatuses.join(", ")}`)),
});
export const agentsAnswer = v.object({ agents: v.array(agentSchema), next_cursor: v.nullable(v.string()) });
/** `instances`: of a name that several agents share; the first of them is the agent that is shown. */
const shownAgent = v.object({ ...agentSchema.entries, instances: v.array(agentSchema) });
export type ShownAgent = v.InferOutput<typeof shownAgent>;
export type AgentsAnswer = v.InferOutput<typeof agentsAnswer>;

const migrateBody = v.strictObject({ to: nodeIdField });
const migrate_ms_max = 150_000;

const named = v.object({ name: agentNameField });
export const agentDone = v.object({
  name: v.string(),
  status: v.picklist(["removed", "suspended", "running"]),
});
export type AgentDone = v.InferOutput<typeof agentDone>;

export const logsAnswer = v.object({
  name: v.string(),
  lines: v.array(
    v.object({ at: timeSchema, level: v.picklist(["debug", "info", "warn", "error"]), text: v.string() }),
  ),
});
export type LogsAnswer = v.InferOutput<typeof logsAnswer>;

export function addAgents(api: ApiRoutes): void {
  const { agents } = api.services;
  const tag = "agents";
  api.add(
    "get",
    "/api/v1/agents",
    { tag, summary: "List the agents", query: agentsQuery, answer: agentsAnswer },
    ({ query }) => {
      const wanted = agents
        .list()
        .filter(({ node }) => query.node === undefined || node === query.node)
        .filter(({ status }) => query.status === undefined || status === query.status);
      const { items, next_cursor } = pageOf(wanted, ({ name }) => name, query);
      return { agents: items.map(agentAnswer), next_cursor };
    },
  );
  const path = "/api/v1/agents/:name";
  api.add(
    "get",
    path,
    { tag, summary: "Show an agent, or the instances of its name", params: named, answer: shownAgent },
    async ({ params }) => {
      const instances = agents.instances(params.name);
      const name = instances[0]?.name ?? params.name;
      return { ...agentAnswer(await agents.show(name)), instances: instances.map(agentAnswer) };
    },
  );
  api.add(
    "delete",
    path,
    {
      tag,
      summary: "Remove an agent",
      description: "Its unhandled mail becomes dead letters.",
      params: named,
      answer: agentDone,
      inMinority: {
        ...queuedAgentWrite(api, 0, nameInPath),
        strict: true,
        isDone: async (c) => (await agents.revisionOf(nameInPath(c), "linearizable")) === 0,
      },
    },
    async ({ params }) => {
      await agents.remove(params.name);
      return { name: params.name, status: "removed" as const };
    },
  );
  addParking(api, path);
  addMigrate(api, path);
  addLogs(api, path);
}

function addParking(api: ApiRoutes, path: string): void {
  const { agents } = api.services;
  const tag = "agents";
  const inMinority = queuedAgentWrite(api, 0, nameInPath);
  api.add(
    "post",
    `${path}/suspend`,
    {
      tag,
      summary: "Park an agent; its mail is kept",
      params: named,
      answer: agentDone,
      inMinority,
    },
    async ({ params }) => {
      await agents.suspend(params.name);
      return { name: params.name, status: "suspended" as const };
    },
  );
  api.add(
    "post",
    `${path}/resume`,
    {
      tag,
      summary: "Let a parked agent go on",
      params: named,
      answer: agentDone,
      inMinority,
    },
    async ({ params }) => {
      await agents.resume(params.name);
      return { name: params.name, status: "running" as const };
    },
  );
}

function addMigrate(api: ApiRoutes, path: string): void {
  api.add(
    "post",
    `${path}/migrate`,
    {
      tag: "agents",
      summary: "Move an agent to another node, with all that it has",
      params: named,
      body: migrateBody,
      answer: agentSchema,
      timeout_ms: migrate_ms_max,
    },
    async ({ params, body }) => agentAnswer(await api.services.agents.migrate(params.name, body.to)),
  );
}

function addLogs(api: ApiRoutes, path: string): void {
  const limit = v.optional(countField(1, logLines_max), "100");
  api.add(
    "get",
    `${path}/logs`,
    {
      tag: "agents",
      summary: "What an agent logged lately",
      params: named,
      query: v.strictObject({ limit }),
      answer: logsAnswer,
    },
    async ({ params, query }) => {
      const lines = await api.services.agents.logs(params.name, query.limit);
      return {
        name: params.name,
        lines: lines.map(({ at_ms, level, text }) => ({ at: new Date(at_ms).toISOString(), level, text })),
      };
    },
  );
}
