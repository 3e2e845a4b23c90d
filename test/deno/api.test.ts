/** The API answers under Deno: tokens are verified, routes validated, problems told. */
import { apiWorld } from "../support/api-world.ts";
import { same, smoke } from "./smoke.ts";

smoke("the API verifies a token and lists the members", async () => {
  const { call } = await apiWorld();
  const response = await call("GET", "/api/v1/cluster/members");
  const { members } = (await response.json()) as { members: { id: string }[] };
  same([response.status, members.map(({ id }) => id)], [200, ["node-1", "node-2", "node-3"]]);
});

smoke("the API refuses a request without a token, as a problem document", async () => {
  const { app } = await apiWorld();
  const response = await app.fetch(new Request("http://node/api/v1/agents"));
  const problem = (await response.json()) as { code: string };
  same(
    [response.status, response.headers.get("content-type"), problem.code],
    [401, "application/problem+json", "unauthenticated"],
  );
});
