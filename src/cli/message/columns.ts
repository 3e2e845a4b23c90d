/** Messages as rows. */
import type { MessageAnswer } from "../../api/messages/message.ts";
import type { Column } from "../output.ts";

export const messageColumns: readonly Column<MessageAnswer>[] = [
  { title: "MESSAGE-ID", cell: (message) => message.message_id },
  addressColumn("FROM", ({ sender }) => sender),
  addressColumn("TO", ({ receiver }) => receiver),
  { title: "PERFORMATIVE", cell: ({ performative }) => performative },
  { title: "CREATED", cell: ({ created_at }) => created_at },
  { title: "CONVERSATION", cell: ({ conversation_id }) => conversation_id ?? "-", wide: true },
  { title: "PRIORITY", cell: ({ priority }) => priority, wide: true },
  { title: "CONTENT", cell: (message) => contentText(message), wide: true },
];

const shown_characters_max = 60;

/** Its beginning, on one line. */
export function contentText({ content, content_encoding }: MessageAnswer): string {
  const text = content_encoding === "base64" ? `base64:${content}` : content;
  return text.length > shown_characters_max ? `${text.slice(0, shown_characters_max - 3)}...` : text;
}

export function addressColumn<T>(title: string, address: (row: T) => string): Column<T> {
  return { title, cell: (row) => shortAddress(address(row)), whole: address };
}

/** Of a client's address, `~admin.01a1ff…@node-1`: its tag is the id of a message, and as long. */
export function shortAddress(address: string): string {
  return address.replace(/^(~[^.@]+\.[0-9a-f]{8})[0-9a-f-]{10,}/, "$1…");
}
