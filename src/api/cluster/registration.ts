/**
 * Nodes that take no part in gossip: registered, heard and unregistered by HTTP, with the documented bodies. A member
 * that gossips tells of itself, and is taken out as `cluster remove` does it.
 */
import * as v from "valibot";
import { parseHostPort } from "../../base/host-port.ts";
import { namePattern, nameRule } from "../../base/ids.ts";
import {
  hostnameLimit_bytes,
  registeredRoles,
  registeredServicesLimit,
} from "../../wire/control-registration.ts";
import { type ApiRoutes, jsonBody_bytes } from "../http/endpoint.ts";
import { nodeIdField } from "../http/fields.ts";
import { nodeSchema, registeredView } from "./node.ts";

const maxAgents_default = 100;
const maxAgents_max = 1_000_000;
/** A heartbeat is four numbers. */
const heartbeat_bytes = 4 * 1024;

const place = v.pipe(v.string(), v.regex(namePattern, `not ${nameRule}`));
const host = v.pipe(
  v.string(),
  v.maxLength(hostnameLimit_bytes),
  v.check(isHost, "not a host's name or an IP address"),
);
const percent = v.pipe(v.number(), v.minValue(0, "below 0"), v.maxValue(100, "above 100 percent"));

export const registerBody = v.strictObject({
  id: nodeIdField,
  /** Its address unless given. */
  hostname: v.optional(host),
  ip_address: host,
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  max_agents: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maxAgents_max)),
    maxAgents_default,
  ),
  services: v.optional(v.pipe(v.array(place), v.maxLength(registeredServicesLimit)), []),
  /** Only a member of the cluster can lead. */
  role: v.optional(v.picklist(registeredRoles, `not one of ${registeredRoles.join(", ")}`), "worker"),
  region: v.optional(place, "default"),
  zone: v.optional(place, "default"),
});

/** What is left out stays as it was told before. */
export const heartbeatBody = v.strictObject({
  cpu_usage: v.optional(percent),
  memory_usage: v.optional(percent),
  disk_usage: v.optional(percent),
  load_average: v.optional(v.pipe(v.number(), v.minValue(0, "below 0"), v.maxValue(1e6, "above 1000000"))),
});

export const registerAnswer = v.object({ success: v.literal(true), node: nodeSchema });
const done = v.object({ success: v.literal(true) });
const tag = "cluster (documented shapes)";

export function addRegistration(api: ApiRoutes): void {
  const { cluster, nodes } = api.services;
  const params = v.object({ id: nodeIdField });
  api.add(
    "post",
    "/api/cluster/nodes",
    {
      tag,
      summary: "Register a node that tells of itself by heartbeats",
      description: "Nodes that gossip are registered by that. 409 for a name that is taken.",
      body: registerBody,
      answer: registerAnswer,
      status: 201,
      inMinority: { kind: "queued", body_bytes: jsonBody_bytes, subject: () => "cluster/nodes" },
    },
    async ({ body }, c) => {
      const { id, ip_address, port, max_agents: maxAgents, services, role, region, zone } = body;
      const hostname = body.hostname ?? ip_address;
      const address = { host: ip_address, port };
      const details = { id, hostname, ...address, maxAgents, role, region, zone, services };
      const node = await nodes.register(details, c.var.request.principal?.subject ?? "");
      return { success: true as const, node: registeredView(node) };
    },
  );
  api.add(
    "post",
    "/api/cluster/nodes/:id",
    {
      tag,
      summary: "A registered node's heartbeat, due every 30 s",
      description:
        "Unhealthy after 90 s of silence, offline after 180 s, back at the next heartbeat. The figures are kept by the " +
        "leader, in memory.",
      params,
      body: heartbeatBody,
      bodyLimit_bytes: heartbeat_bytes,
      answer: done,
      inMinority: { kind: "refused", why: "a heartbeat says what is so now" },
    },
    async ({ params: { id }, body }) => {
      await nodes.heartbeat(id, defined(body));
      return { success: true as const };
    },
  );
  api.add(
    "delete",
    "/api/cluster/nodes/:id",
    {
      tag,
      summary: "Unregister a node",
      description: "A member that gossips is forgotten, which is refused while it is alive.",
      params,
      answer: done,
      inMinority: {
        kind: "queued",
        body_bytes: 0,
        subject: (c) => `cluster/nodes/${c.req.param("id") ?? ""}`,
      },
    },
    async ({ params: { id } }, c) => {
      const status = cluster.members().find((member) => member.id === id)?.status;
      const isRegistered = async (): Promise<boolean> => (await nodes.list()).some((node) => node.id === id);
      // The name of a member that has left may have been registered since.
      if (status !== undefined && !(status === "left" && (await isRegistered())))
        await cluster.remove(id, false);
      else await nodes.unregister(id, c.var.request.principal?.subject ?? "");
      return { success: true as const };
    },
  );
}

/** A name, an IPv4 address, or an IPv6 address with or without its brackets. */
function isHost(text: string): boolean {
  try {
    parseHostPort(text.includes(":") && !text.startsWith("[") ? `[${text}]:1` : `${text}:1`);
    return true;
  } catch {
    return false;
  }
}

type Heartbeat = v.InferOutput<typeof heartbeatBody>;

function defined(body: Heartbeat): { readonly [K in keyof Heartbeat]?: number } {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}
