/** `host:port` as people write it. The host may be a name; whoever opens a socket resolves it first. */
import { CaxtonError } from "./errors.ts";
import { quote } from "./ids.ts";

export interface HostPort {
  /** A name, an IPv4 address, or an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

const bracketed = /^\[([0-9A-Fa-f:.]+)\]:(\d{1,5})$/;
const plain = /^([A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?):(\d{1,5})$/;

/** Reads `node-1:7946`, `10.0.0.1:7946` or `[::1]:7946`; refuses anything else, with what is accepted. */
export function parseHostPort(text: string): HostPort {
  const match = bracketed.exec(text) ?? plain.exec(text);
  if (match === null) {
    throw new CaxtonError(
      "invalid_argument",
      `Address ${quote(text)} is not like node-1:7946, 10.0.0.1:7946 or [::1]:7946`,
    );
  }
  const port = Number(match[2]);
  if (port > 65_535) throw new CaxtonError("invalid_argument", `Port of ${quote(text)} is above 65535`);
  const host = match[1] as string;
  if (/^[\d.]+$/.test(host) && !isIpv4(host)) {
    throw new CaxtonError("invalid_argument", `Host of ${quote(text)} is not an IPv4 address`);
  }
  return { host, port };
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** True for an address, false for a name. */
export function isIpAddress(host: string): boolean {
  return host.includes(":") || isIpv4(host);
}

/** 127.0.0.0/8, ::1 and the name `localhost`. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIpv4(host) && host.startsWith("127."));
}

function isIpv4(host: string): boolean {
  const parts = host.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}
