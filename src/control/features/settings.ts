/** Settings of the cluster. */
import { controlCommands, controlQueries } from "../../wire/control-kinds.ts";
import { outcome } from "../../wire/control-command.ts";
import { encodeSettings, readSettingName, readSettingPut } from "../../wire/control-setting.ts";
import { type Feature, defineCommand, defineQuery } from "../feature.ts";
import { settings_max } from "../limits.ts";
import type { SectionDefinition } from "../section.ts";

const values: SectionDefinition = {
  name: "settings",
  since: 1,
  watched: true,
  key: { name: "name", type: "text" },
  columns: [
    { name: "version", type: "integer" },
    { name: "value", type: "text" },
  ],
};

const put = defineCommand({
  kind: controlCommands.settingPut,
  version: 1,
  since: 1,
  name: "setting.put",
  read: readSettingPut,
  apply: (context, { name, value, version }) => {
    const section = context.section(values);
    const before = section.peek(name);
    const current = Number(before?.["version"] ?? 0);
    if (version !== null && version !== current) return outcome("conflict", current);
    if (before === undefined && section.rows >= settings_max) return outcome("limit", settings_max);
    const next = context.nextRevision();
    section.put(before, [name, next, value]);
    return outcome("done", next);
  },
});

const remove = defineCommand({
  kind: controlCommands.settingDelete,
  version: 1,
  since: 1,
  name: "setting.delete",
  read: readSettingName,
  apply: (context, name) => {
    const section = context.section(values);
    const row = section.peek(name);
    if (row === undefined) return outcome("not_found");
    section.delete(row, name);
    return outcome("done", Number(row["version"]));
  },
});

const list = defineQuery({
  kind: controlQueries.settings,
  name: "settings",
  read: () => null,
  run: (view) =>
    encodeSettings(
      view
        .section(values)
        .walk(null, settings_max)
        .map((row) => ({
          name: String(row["name"]),
          value: String(row["value"]),
          version: Number(row["version"]),
        })),
    ),
});

export const settings: Feature = {
  name: "settings",
  sections: [values],
  commands: [put, remove],
  queries: [list],
};
