/**
 * Nodes that are registered by HTTP and tell of themselves by heartbeats alone. Heartbeats never get here, only what
 * the leader makes of their absence; a judgement counts for the registration that it was made of.
 */
import type { NodeId } from "../../base/ids.ts";
import type { SqlRow } from "../../ports/database.ts";
import { outcome } from "../../wire/control-command.ts";
import { controlCommands, controlQueries } from "../../wire/control-kinds.ts";
import {
  encodeRegistrations,
  type Registration,
  type RegistrationDetails,
  readJudgements,
  readRegistrationPut,
  readRegistrationRemoval,
  registeredRoles,
  registeredStates,
  registrationsLimit,
} from "../../wire/control-registration.ts";
import { type Feature, defineCommand, defineQuery } from "../feature.ts";
import type { RowMark, Section, SectionDefinition } from "../section.ts";

const registered: SectionDefinition = {
  name: "registrations",
  since: 3,
  watched: true,
  key: { name: "id", type: "text" },
  columns: [
    { name: "hostname", type: "text" },
    { name: "host", type: "text" },
    { name: "port", type: "integer" },
    { name: "max_agents", type: "integer" },
    { name: "role", type: "integer" },
    { name: "region", type: "text" },
    { name: "zone", type: "text" },
    { name: "services", type: "text" },
    { name: "at_ms", type: "integer" },
    { name: "state", type: "integer" },
    { name: "version", type: "integer" },
  ],
};

/** A name that is taken is not taken over: whoever has it is unregistered first. */
const put = defineCommand({
  kind: controlCommands.registrationPut,
  version: 1,
  since: 3,
  name: "registration.put",
  read: readRegistrationPut,
  apply: (context, details) => {
    const section = context.section(registered);
    const before = section.peek(details.id);
    if (before !== undefined) return outcome("conflict", Number(before["version"]));
    if (section.rows >= registrationsLimit) return outcome("limit", registrationsLimit);
    const version = context.nextRevision();
    write(section, undefined, { ...details, at_ms: context.wall_ms, state: "online", version });
    return outcome("done", version);
  },
});

const remove = defineCommand({
  kind: controlCommands.registrationRemove,
  version: 1,
  since: 3,
  name: "registration.remove",
  read: readRegistrationRemoval,
  apply: (context, { id, version }) => {
    const section = context.section(registered);
    const row = section.peek(id);
    if (row === undefined) return outcome("not_found");
    if (version !== null && row["version"] !== version) return outcome("conflict", Number(row["version"]));
    section.delete(row, id);
    return outcome("done", Number(row["version"]));
  },
});

const judge = defineCommand({
  kind: controlCommands.registrationJudge,
  version: 1,
  since: 3,
  name: "registration.judge",
  read: readJudgements,
  apply: (context, { term, judgements }) => {
    if (term !== context.term) return outcome("stale", context.term);
    const section = context.section(registered);
    let changed = 0;
    for (const { id, version, state } of judgements) {
      const row = section.peek(id);
      if (row === undefined || row["version"] !== version) continue;
      const known = registrationOf(row);
      if (known.state === state) continue;
      write(section, row, { ...known, state, version: context.nextRevision() });
      changed++;
    }
    return outcome("done", changed);
  },
});

const list = defineQuery({
  kind: controlQueries.registrations,
  name: "registrations",
  read: () => null,
  run: (view) =>
    encodeRegistrations(view.section(registered).walk(null, registrationsLimit).map(registrationOf)),
});

function write(section: Section, before: RowMark | undefined, registration: Registration): void {
  const { id, at_ms, state, version } = registration;
  const now = [at_ms, registeredStates.indexOf(state), version];
  section.put(before, [id, ...columnsOf(registration), ...now]);
}

function columnsOf(details: RegistrationDetails): (string | number)[] {
  const { hostname, host, port, maxAgents, role, region, zone, services } = details;
  return [hostname, host, port, maxAgents, registeredRoles.indexOf(role), region, zone, services.join(",")];
}

function registrationOf(row: SqlRow): Registration {
  const services = String(row["services"]);
  return {
    id: String(row["id"]) as NodeId,
    hostname: String(row["hostname"]),
    host: String(row["host"]),
    port: Number(row["port"]),
    maxAgents: Number(row["max_agents"]),
    role: registeredRoles[Number(row["role"])] ?? "worker",
    region: String(row["region"]),
    zone: String(row["zone"]),
    services: services === "" ? [] : services.split(","),
    at_ms: Number(row["at_ms"]),
    state: registeredStates[Number(row["state"])] ?? "offline",
    version: Number(row["version"]),
  };
}

export const registrations: Feature = {
  name: "registrations",
  sections: [registered],
  commands: [put, remove, judge],
  queries: [list],
};
