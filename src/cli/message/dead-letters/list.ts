/** `caxton message dead-letters list`: messages that could not be delivered at any node, and why. */
import type { MessageAnswer } from "../../../api/messages/message.ts";
import type { NodeId } from "../../../base/ids.ts";
import { command } from "../../command.ts";
import { addressColumn, contentText } from "../columns.ts";
import { moreNotice, pageFlags, pageQuery } from "../../page-flags.ts";
import type { PageFlags } from "../../page-flags.ts";
import { nodeFlag, noticeNotAsked } from "./selection.ts";

interface ListedLetter {
  readonly message: Pick<MessageAnswer, "sender" | "receiver">;
}

interface Flags extends PageFlags {
  readonly node?: NodeId;
}

export const list = command<Flags>({
  brief: "List undeliverable messages and the reasons, each page newest first",
  examples: [
    "caxton message dead-letters list",
    "caxton message dead-letters list --node node-2 --format wide",
  ],
  parameters: { flags: { ...pageFlags, node: nodeFlag } },
  run: async (call, flags) => {
    const { messages } = await call.client();
    const { node } = flags;
    const page = await messages.deadLetters({ ...pageQuery(flags), ...(node === undefined ? {} : { node }) });
    call.output.table(
      [
        { title: "ID", cell: (letter) => `${letter.id}@${letter.node}` },
        { title: "REASON", cell: ({ reason }) => reason },
        addressColumn("FROM", ({ message }: ListedLetter) => message.sender),
        addressColumn("TO", ({ message }: ListedLetter) => message.receiver),
        { title: "AT", cell: ({ at }) => at },
        { title: "DETAIL", cell: ({ detail }) => detail, wide: true },
        { title: "MESSAGE-ID", cell: ({ message }) => message.message_id, wide: true },
        { title: "CONTENT", cell: ({ message }) => contentText(message), wide: true },
      ],
      page.dead_letters,
      page,
    );
    noticeNotAsked(call, page.not_asked);
    const more = moreNotice(page.next_cursor);
    if (more !== undefined) call.output.notice(more);
  },
});
