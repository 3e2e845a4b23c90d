/**
 * What a node takes of its clients while operators keep it from traffic, have load shed, or its partition's policy is
 * `local-only`: messages of clients, and nothing else. Agents' messages to each other go on, and so does everything that
 * operators do.
 */
import type { NodeServices, SendRequest } from "../../api/services.ts";
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import type { PartitionAction } from "../../ownership/partition-policy.ts";
import type { OperatorModes } from "./operator-modes.ts";

export interface IntakePlace {
  /** What a minority's policy says; null in a majority. */
  readonly action: () => PartitionAction | null;
  /** Where the receiver is, as far as this node knows. */
  readonly nodeOf: (receiver: string) => string | undefined;
}

export class IntakeGuard {
  readonly #modes: Pick<OperatorModes, "isolated" | "shedPercentage">;
  readonly #self: string;
  /** What is left of the last refusal, in hundredths of a message: so that the share is exact, not a matter of chance. */
  #owed = 0;
  #refused = 0;

  constructor(
    self: string,
    modes: Pick<OperatorModes, "isolated" | "shedPercentage">,
    private readonly place: IntakePlace,
  ) {
    this.#self = self;
    this.#modes = modes;
  }

  /** Messages that were refused to shed load. */
  get refused(): number {
    return this.#refused;
  }

  /** Throws `unavailable` on a node that is isolated, `too_many_requests` for the share that is shed. */
  check({ message }: Pick<SendRequest, "message">): void {
    const { isolated, shedPercentage } = this.#modes;
    if ((isolated as ReadonlySet<string>).has(this.#self)) {
      throw new CaxtonError(
        "unavailable",
        `Node "${this.#self}" is isolated by an operator and takes no messages; send them to another node`,
      );
    }
    this.#refuseElsewhere(message.receiver);
    if (shedPercentage === 0 || message.priority === "critical") return;
    this.#owed += shedPercentage;
    if (this.#owed < 100) return;
    this.#owed -= 100;
    this.#refused++;
    throw new CaxtonError(
      "too_many_requests",
      `The cluster sheds ${shedPercentage}% of clients' messages below the priority critical; nothing was kept, retry later`,
    );
  }

  /** In a minority that is to be local only nothing waits in the outbox for another node. */
  #refuseElsewhere(receiver: string): void {
    if (this.place.action() !== "local-only") return;
    const node = this.place.nodeOf(receiver);
    if (node === undefined || node === this.#self) return;
    throw new CaxtonError(
      "unavailable",
      `Node "${this.#self}" is cut off and local only, and ${quote(receiver)} is on node "${node}": nothing was kept`,
    );
  }
}

/** The same services, whose messages of clients are looked at first. */
export function guardIntake(services: NodeServices, guard: IntakeGuard): NodeServices {
  const { messages } = services;
  return {
    ...services,
    messages: {
      send: async (request) => {
        guard.check(request);
        return await messages.send(request);
      },
      list: (options) => messages.list(options),
      conversations: (options) => messages.conversations(options),
    },
  };
}
