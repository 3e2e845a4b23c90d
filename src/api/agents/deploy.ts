/**
 * `POST /api/v1/agents` and `PUT /api/v1/agents/:name`: deploy or update an agent, its module either
 * the raw body (`application/wasm`, options in the query) or the field `module` of a form.
 */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import { formatLimit } from "../../base/sizes.ts";
import { type BodyBudget, mediaType, readBody } from "../http/body.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { agentNameField } from "../http/fields.ts";
import type { InMinority } from "../http/minority-writes.ts";
import type { ApiContext } from "../http/request.ts";
import { validate } from "../http/validate.ts";
import { agentAnswer, agentSchema } from "./agent.ts";
import { nameInPath, queuedAgentWrite } from "./queued-agent-write.ts";
import {
  type AgentDefaults,
  deployOptions,
  deployQuery,
  instancesField,
  optionFields,
  updateQuery,
} from "./deploy-options.ts";

export const module_bytes_max = 16 * 1024 * 1024;
/** A form's other fields and its boundaries. */
const form_bytes_max = 64 * 1024;
const deploy_ms_max = 120_000;
const wasmType = "application/wasm";
const formType = "multipart/form-data";

export const deployAnswer = v.object({
  /** The first one, where it has several instances. */
  agent: agentSchema,
  created: v.boolean(),
  why: v.string(),
  /** Of an agent that runs alone none. */
  instances: v.array(agentSchema),
});
export type DeployAnswer = v.InferOutput<typeof deployAnswer>;

/** In a form, options may stand in the form or in the query; the name too. */
const queryOfForm = v.strictObject({
  name: v.optional(agentNameField),
  instances: instancesField,
  ...optionFields,
});

export function addDeploy(api: ApiRoutes, defaults: AgentDefaults): void {
  const { agents, cluster } = api.services;
  const deploy = async (
    c: ApiContext,
    options: v.InferOutput<typeof deployQuery>,
    wasm: Uint8Array,
  ): Promise<Response> => {
    const { name, instances = null, ...given } = options;
    const principal = c.var.request.principal?.subject ?? "";
    const strategy = cluster.balancing().strategy;
    const done = await agents.deploy({
      name,
      wasm,
      options: deployOptions(given, defaults, strategy),
      instances,
      principal,
    });
    const { agent, created, why } = done;
    const all = done.instances.map(agentAnswer);
    const body = JSON.stringify({ agent: agentAnswer(agent), created, why, instances: all });
    const headers = { "content-type": "application/json", location: `/api/v1/agents/${name}` };
    return new Response(body, { status: done.created ? 201 : 200, headers });
  };
  const shared = {
    tag: "agents",
    media: [wasmType, formType],
    answer: deployAnswer,
    timeout_ms: deploy_ms_max,
  };
  api.add(
    "post",
    "/api/v1/agents",
    {
      ...shared,
      summary: "Deploy an agent, or its next revision",
      query: queryOfForm,
      status: 201,
      inMinority: queuedDeploy(api, async (c) => {
        const named = c.req.query("name") ?? (await readModule(c.req.raw, api.bodies)).fields["name"];
        return validate(agentNameField, named, "invalid_argument", "Name");
      }),
    },
    async ({ query }, c) => {
      const { fields, wasm } = await readModule(c.req.raw, api.bodies);
      const options = validate(deployQuery, { ...rawQuery(c), ...fields }, "invalid_argument", "Options");
      if (query.name !== undefined && query.name !== options.name) throw twoNames();
      return await deploy(c, options, wasm);
    },
  );
  api.add(
    "put",
    "/api/v1/agents/:name",
    {
      ...shared,
      summary: "Deploy the next revision of an agent",
      query: updateQuery,
      params: v.object({ name: agentNameField }),
      inMinority: queuedDeploy(api, nameInPath),
    },
    async ({ params }, c) => {
      const { fields, wasm } = await readModule(c.req.raw, api.bodies);
      const { name = params.name, ...rest } = { ...rawQuery(c), ...fields };
      const options = validate(deployQuery, { ...rest, name }, "invalid_argument", "Options");
      if (options.name !== params.name) throw twoNames();
      return await deploy(c, options, wasm);
    },
  );
}

/** Meant for the revision that was there: one that was deployed elsewhere meanwhile is not overwritten. */
function queuedDeploy(api: ApiRoutes, nameOf: (c: ApiContext) => string | Promise<string>): InMinority {
  return {
    ...queuedAgentWrite(api, module_bytes_max + form_bytes_max, nameOf),
    strict: true,
    isDone: async (c) => {
      const name = await nameOf(c);
      const { wasm } = await readModule(c.req.raw, api.bodies);
      const digest = await crypto.subtle.digest("SHA-256", wasm as Uint8Array<ArrayBuffer>);
      const held = api.services.agents.list().find((agent) => agent.name === name);
      return held?.module === Buffer.from(digest).toString("hex");
    },
  };
}

/** The query as text again: fields of a form are merged with it before the one validation. */
function rawQuery(c: ApiContext): Record<string, string> {
  return { ...c.req.query() };
}

function twoNames(): CaxtonError {
  return new CaxtonError("invalid_argument", "The agent's name is given twice, and differs");
}

async function readModule(
  request: Request,
  bodies: BodyBudget,
): Promise<{ fields: Record<string, string>; wasm: Uint8Array }> {
  const type = mediaType(request);
  if (type === wasmType)
    return { fields: {}, wasm: notEmpty(await readBody(request, module_bytes_max, bodies)) };
  if (type !== formType) {
    throw new CaxtonError(
      "unsupported_media_type",
      `A module is sent as ${wasmType}, or in a form as ${formType}`,
    );
  }
  const bytes = await readBody(request, module_bytes_max + form_bytes_max, bodies);
  const headers = { "content-type": request.headers.get("content-type") as string };
  let form: FormData;
  try {
    form = await new Response(bytes, { headers }).formData();
  } catch {
    throw new CaxtonError("invalid_body", "The body is not a form as its boundary says");
  }
  return await readForm(form);
}

async function readForm(form: FormData): Promise<{ fields: Record<string, string>; wasm: Uint8Array }> {
  const fields: Record<string, string> = {};
  let wasm: Uint8Array | undefined;
  for (const [name, value] of form as unknown as Iterable<[string, string | Blob]>) {
    if (Object.hasOwn(fields, name) || (name === "module" && wasm !== undefined)) {
      throw new CaxtonError("invalid_body", `The form gives ${JSON.stringify(name.slice(0, 80))} twice`);
    }
    if (name === "module") {
      if (typeof value === "string")
        throw new CaxtonError("invalid_body", 'The form field "module" is no file');
      if (value.size > module_bytes_max) {
        throw new CaxtonError(
          "payload_too_large",
          `The module is larger than ${formatLimit(module_bytes_max)}`,
        );
      }
      wasm = new Uint8Array(await value.arrayBuffer());
    } else if (typeof value === "string") Object.defineProperty(fields, name, { value, enumerable: true });
    else throw new CaxtonError("invalid_body", 'The form may hold one file, "module"');
  }
  if (wasm === undefined) throw new CaxtonError("invalid_body", 'The form lacks the file "module"');
  return { fields, wasm: notEmpty(wasm) };
}

function notEmpty(wasm: Uint8Array): Uint8Array {
  if (wasm.length === 0) throw new CaxtonError("invalid_body", "The module is empty");
  return wasm;
}
