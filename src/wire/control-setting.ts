/** Settings of the cluster: small texts by name, with versions as those of keys. */
import { Reader, WireError, Writer } from "./cursor.ts";

export const settingName_bytes = 128;
export const settingValue_bytes = 16 * 1024;
export const settingsPage = 1_000;

export interface SettingPut {
  readonly name: string;
  readonly value: string;
  /** Only at this version (0: only if it is not set); null whatever is there. */
  readonly version: number | null;
}

export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly version: number;
}

export function encodeSettingPut({ name, value, version }: SettingPut): Uint8Array {
  const writer = new Writer(64 + value.length)
    .text(name)
    .text(value)
    .bool(version !== null);
  if (version !== null) writer.u64(version);
  return writer.finish();
}

export function readSettingPut(reader: Reader): SettingPut {
  const name = readSettingName(reader);
  const value = reader.text(settingValue_bytes);
  if (value.includes("\0")) throw new WireError("setting with a NUL");
  return { name, value, version: reader.bool() ? reader.u64() : null };
}

export function encodeSettingName(name: string): Uint8Array {
  return new Writer().text(name).finish();
}

export function readSettingName(reader: Reader): string {
  const name = reader.text(settingName_bytes);
  if (!/^[!-~]+$/.test(name)) throw new WireError("setting's name is not printable ASCII without spaces");
  return name;
}

export function encodeSettings(settings: readonly Setting[]): Uint8Array {
  const writer = new Writer(1_024).varint(settings.length);
  for (const { name, value, version } of settings) writer.text(name).text(value).u64(version);
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeSettings(bytes: Uint8Array): readonly Setting[] {
  const reader = new Reader(bytes);
  const count = reader.count(settingsPage, 10);
  const settings = Array.from({ length: count }, () => ({
    name: reader.text(settingName_bytes),
    value: reader.text(settingValue_bytes),
    version: reader.u64(),
  }));
  reader.finish();
  return settings;
}
