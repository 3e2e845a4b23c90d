/** Messages as rows. */
import type { MessageAnswer } from "../../api/messages/message.ts";
import type { Column } from "../output.ts";

export const messageColumns: readonly Column<MessageAnswer>[] = [
  { title: "MESSAGE-ID", cell: (message) => message.message_id },
  { title: "FROM", cell: ({ sender }) => sender },
  { title: "TO", cell: ({ receiver }) => receiver },
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
