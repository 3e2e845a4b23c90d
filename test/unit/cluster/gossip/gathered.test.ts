import { expect, test } from "vitest";
import { Gathered } from "../../../../src/cluster/gossip/gathered.ts";

test("messages of one turn leave in one post, in order; those of the next in another", async () => {
  const posts: (readonly number[])[] = [];
  const gathered = new Gathered<number>((messages) => posts.push(messages));
  gathered.add(1);
  gathered.add(2);
  expect(posts).toEqual([]);
  await Promise.resolve();
  gathered.add(3);
  gathered.flush();
  gathered.flush();
  await Promise.resolve();
  expect(posts).toEqual([[1, 2], [3]]);
});
