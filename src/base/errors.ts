/**
 * The closed set of operating failures. One table says, for each code, the HTTP status, the exit
 * code of the CLI, whether a retry may help, and the problem's title (RFC 9457).
 */

interface ErrorKind {
  readonly http: number;
  /** Exit codes: 1 failed, 2 usage, 3 not reachable, 4 refused (auth), 5 not found, 6 conflict, 7 degraded. */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 6 | 7;
  readonly retryable: boolean;
  readonly title: string;
}

const kinds = {
  invalid_argument: { http: 400, exit: 2, retryable: false, title: "Invalid argument" },
  invalid_body: { http: 422, exit: 2, retryable: false, title: "Invalid request body" },
  invalid_config: { http: 422, exit: 2, retryable: false, title: "Invalid configuration" },
  invalid_message: { http: 422, exit: 2, retryable: false, title: "Invalid message" },
  invalid_module: { http: 422, exit: 2, retryable: false, title: "Module refused" },
  unsupported_media_type: { http: 415, exit: 2, retryable: false, title: "Unsupported media type" },
  payload_too_large: { http: 413, exit: 2, retryable: false, title: "Payload too large" },
  unauthenticated: { http: 401, exit: 4, retryable: false, title: "Authentication required" },
  forbidden: { http: 403, exit: 4, retryable: false, title: "Not permitted" },
  not_found: { http: 404, exit: 5, retryable: false, title: "Not found" },
  method_not_allowed: { http: 405, exit: 2, retryable: false, title: "Method not allowed" },
  agent_not_found: { http: 404, exit: 5, retryable: false, title: "Agent not found" },
  node_not_found: { http: 404, exit: 5, retryable: false, title: "Node not found" },
  conflict: { http: 409, exit: 6, retryable: false, title: "Conflict" },
  precondition_failed: { http: 412, exit: 6, retryable: false, title: "Precondition failed" },
  already_exists: { http: 409, exit: 6, retryable: false, title: "Already exists" },
  agent_suspended: { http: 409, exit: 6, retryable: true, title: "Agent suspended" },
  agent_failed: { http: 409, exit: 6, retryable: false, title: "Agent failed" },
  queue_full: { http: 429, exit: 1, retryable: true, title: "Queue full" },
  too_many_requests: { http: 429, exit: 1, retryable: true, title: "Too many requests" },
  limit_exceeded: { http: 409, exit: 1, retryable: false, title: "Limit exceeded" },
  no_capacity: { http: 503, exit: 1, retryable: true, title: "No node has capacity" },
  unavailable: { http: 503, exit: 3, retryable: true, title: "Unavailable" },
  unreachable: { http: 503, exit: 3, retryable: true, title: "Not reachable" },
  timeout: { http: 504, exit: 1, retryable: true, title: "Timed out" },
  degraded: { http: 503, exit: 7, retryable: true, title: "No quorum" },
  not_leader: { http: 503, exit: 3, retryable: true, title: "Not the leader" },
  no_quorum: { http: 503, exit: 7, retryable: true, title: "No quorum" },
  outcome_unknown: { http: 504, exit: 1, retryable: false, title: "Outcome unknown" },
  wrong_cluster: { http: 409, exit: 6, retryable: false, title: "Another cluster" },
  wrong_key: { http: 401, exit: 4, retryable: false, title: "Wrong cluster key" },
  version_mismatch: { http: 409, exit: 6, retryable: false, title: "Incompatible version" },
  data_locked: { http: 409, exit: 6, retryable: true, title: "Data directory in use" },
  data_corrupt: { http: 500, exit: 1, retryable: false, title: "Data corrupt" },
  disk_full: { http: 507, exit: 1, retryable: true, title: "Disk full" },
  storage_failed: { http: 500, exit: 1, retryable: true, title: "Storage failed" },
  port_in_use: { http: 500, exit: 1, retryable: true, title: "Address in use" },
  internal: { http: 500, exit: 1, retryable: false, title: "Internal error" },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof kinds;

export const errorCodes = Object.keys(kinds) as readonly ErrorCode[];

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(kinds, text);
}

/**
 * An operating failure that a user or a peer meets. `detail` says what failed, why, and where it
 * helps what to do next: `Cannot join "node-1:7946": timed out after 500 ms`.
 */
export class CaxtonError extends Error {
  override readonly name = "CaxtonError";

  constructor(
    readonly code: ErrorCode,
    detail: string,
    options?: { readonly cause?: unknown },
  ) {
    super(detail, options);
  }

  get http(): number {
    return kinds[this.code].http;
  }

  get exit(): number {
    return kinds[this.code].exit;
  }

  get retryable(): boolean {
    return kinds[this.code].retryable;
  }

  get title(): string {
    return kinds[this.code].title;
  }
}

/** What the operating system's own codes mean, in words that follow a colon. */
const systemReasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EBUSY: "it is in use",
  EDQUOT: "the disk quota is used up",
  EEXIST: "it is there already",
  EISDIR: "it is a folder, not a file",
  ELOOP: "its symbolic links go in a circle",
  EMFILE: "this process has too many open files",
  ENAMETOOLONG: "the name is too long",
  ENFILE: "the system has too many open files",
  ENOENT: "there is no such file or folder",
  ENOMEM: "the system is out of memory",
  ENOSPC: "no space left on the disk",
  ENOTDIR: "a part of the path is not a folder",
  ENOTEMPTY: "the folder is not empty",
  EPERM: "the system does not permit it",
  EROFS: "the file system is read-only",
};

/**
 * The text of anything thrown, for logs and for the `detail` of an error that wraps it. A code of the
 * operating system becomes words; what wraps it names the file.
 */
export function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const code = (thrown as { readonly code?: unknown }).code;
  const isSystem = typeof code === "string" && thrown.message.startsWith(code);
  return (isSystem ? systemReasons[code] : undefined) ?? thrown.message;
}
