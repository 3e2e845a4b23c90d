/**
 * Names and identifiers, branded so that one kind is never taken for another. Each has a stated
 * alphabet; anything that comes from outside goes through the parsers here.
 */
import { CaxtonError } from "./errors.ts";

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

export type NodeId = Branded<string, "NodeId">;
export type AgentName = Branded<string, "AgentName">;
/** A UUID in its canonical 36-character form; version 7 when Caxton made it. */
export type MessageId = Branded<string, "MessageId">;
/** SHA-256 of a module's bytes, 64 lower-case hexadecimal digits. */
export type ModuleHash = Branded<string, "ModuleHash">;

/** Letters, digits, `.`, `_` and `-`, first a letter or digit, 1 to 64 characters. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
export const nameRule = "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit";

/** Conversation ids and reply tags: printable ASCII without space, 1 to 128 characters. */
export const tokenPattern = /^[!-~]{1,128}$/;
export const tokenRule = "1 to 128 printable ASCII characters without spaces";

export function parseNodeId(text: string): NodeId {
  if (!namePattern.test(text))
    throw new CaxtonError("invalid_argument", `Node id ${quote(text)} is not ${nameRule}`);
  return text as NodeId;
}

export function parseAgentName(text: string): AgentName {
  if (!namePattern.test(text)) {
    throw new CaxtonError("invalid_argument", `Agent name ${quote(text)} is not ${nameRule}`);
  }
  return text as AgentName;
}

export function parseModuleHash(text: string): ModuleHash {
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new CaxtonError("invalid_argument", `Module hash ${quote(text)} is not 64 hexadecimal digits`);
  }
  return text as ModuleHash;
}

/** The text in double quotes, shortened and with control characters escaped, for error messages. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
