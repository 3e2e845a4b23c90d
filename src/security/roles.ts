/**
 * Roles and what each may do. A token names roles, a route names one permission; nothing is
 * permitted that is not in this table.
 */

export const permissions = [
  "cluster:read",
  "cluster:operate",
  "agents:read",
  "agents:deploy",
  "agents:operate",
  "agents:logs",
  "messages:read",
  "messages:send",
  "dead-letters:manage",
  "kv:read",
  "kv:write",
  "locks:read",
  "locks:use",
  "events:read",
  "security:manage",
  "system:read",
] as const;
export type Permission = (typeof permissions)[number];

export const roles = ["admin", "operator", "developer", "viewer"] as const;
export type Role = (typeof roles)[number];

const looks = [
  "cluster:read",
  "agents:read",
  "events:read",
  "system:read",
] as const satisfies readonly Permission[];

const reads = ["agents:logs", "messages:read"] as const satisfies readonly Permission[];

/** What agents say, to each other or in their logs, is not for viewers. An operator runs what developers deploy. */
const granted: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  admin: new Set(permissions),
  operator: new Set([
    ...looks,
    ...reads,
    "cluster:operate",
    "agents:operate",
    "dead-letters:manage",
    "kv:read",
    "locks:read",
  ]),
  developer: new Set([
    ...looks,
    ...reads,
    "agents:deploy",
    "agents:operate",
    "messages:send",
    "kv:read",
    "kv:write",
    "locks:read",
    "locks:use",
  ]),
  viewer: new Set(looks),
};

export function isRole(text: unknown): text is Role {
  return typeof text === "string" && Object.hasOwn(granted, text);
}

/** Whether any of the roles may. No role, no permission. */
export function allows(held: readonly Role[], permission: Permission): boolean {
  return held.some((role) => granted[role].has(permission));
}
