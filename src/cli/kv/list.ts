/** `caxton kv list [PREFIX]`: keys without their values, in the order of their bytes. */
import { formatSize } from "../../base/sizes.ts";
import { command } from "../command.ts";
import { moreNotice, type PageFlags, pageFlags, pageQuery } from "../page-flags.ts";
import { asText } from "../parse.ts";

export const list = command<PageFlags, [string?]>({
  brief: "List keys",
  examples: ["caxton kv list", "caxton kv list config/ --limit 10 --format wide"],
  parameters: {
    flags: pageFlags,
    positional: {
      kind: "tuple",
      parameters: [
        { parse: asText, optional: true, placeholder: "PREFIX", brief: "How they begin [default: all]" },
      ],
    },
  },
  run: async ({ client, output }, flags, prefix = "") => {
    const page = await (await client()).kv.list(prefix, pageQuery(flags));
    output.table(
      [
        { title: "KEY", cell: ({ key }) => key },
        { title: "VERSION", cell: ({ version }) => String(version) },
        { title: "SIZE", cell: ({ size }) => formatSize(size) },
        { title: "MODIFIED", cell: ({ modified_at }) => modified_at },
        { title: "TYPE", cell: ({ content_type }) => content_type, wide: true },
      ],
      page.entries,
      page,
    );
    const more = moreNotice(page.next_cursor);
    if (more !== undefined) output.notice(more);
  },
});
