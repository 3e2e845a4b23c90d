/** Every command by its place: noun, then verb. The plural of a noun and `agent deploy` are aliases. */
import { buildRouteMap } from "@stricli/core";
import { deploy } from "./agent/deploy.ts";
import { list as listAgents } from "./agent/list.ts";
import { logs } from "./agent/logs.ts";
import { migrate } from "./agent/migrate.ts";
import { remove as removeAgent } from "./agent/remove.ts";
import { resume } from "./agent/resume.ts";
import { show as showAgent } from "./agent/show.ts";
import { suspend } from "./agent/suspend.ts";
import { token } from "./auth/token.ts";
import { addNode } from "./cluster/add-node.ts";
import { analyze } from "./cluster/analyze.ts";
import { balance } from "./cluster/balance.ts";
import { compareState } from "./cluster/compare-state.ts";
import { detectPartition } from "./cluster/detect-partition.ts";
import { isolate } from "./cluster/isolate.ts";
import { leader } from "./cluster/leader.ts";
import { leave } from "./cluster/leave.ts";
import { members } from "./cluster/members.ts";
import { rebalance } from "./cluster/rebalance.ts";
import { rehearse } from "./cluster/partition/rehearse.ts";
import { report as partitionReport } from "./cluster/partition/report.ts";
import { performance } from "./cluster/performance.ts";
import { ping } from "./cluster/ping.ts";
import { rebuild } from "./cluster/rebuild.ts";
import { rejoin } from "./cluster/rejoin.ts";
import { remove as removeNode } from "./cluster/remove.ts";
import { resolvePartition } from "./cluster/resolve-partition.ts";
import { shedLoad } from "./cluster/shed-load.ts";
import { start } from "./cluster/start.ts";
import { status } from "./cluster/status.ts";
import { stop } from "./cluster/stop.ts";
import { verify } from "./cluster/verify.ts";
import { verifyAuth } from "./cluster/verify-auth.ts";
import { watch as watchCluster } from "./cluster/watch.ts";
import { completion } from "./completion.ts";
import { init } from "./config/init.ts";
import { schema } from "./config/schema.ts";
import { show as showConfig } from "./config/show.ts";
import { validate } from "./config/validate.ts";
import { add } from "./context/add.ts";
import { list as listContexts } from "./context/list.ts";
import { remove as removeContext } from "./context/remove.ts";
import { use } from "./context/use.ts";
import { list as listConversations } from "./conversation/list.ts";
import { show as showConversation } from "./conversation/show.ts";
import { deleteKey } from "./kv/delete.ts";
import { get } from "./kv/get.ts";
import { list as listKeys } from "./kv/list.ts";
import { put } from "./kv/put.ts";
import { acquire } from "./lock/acquire.ts";
import { release } from "./lock/release.ts";
import { show as showLock } from "./lock/show.ts";
import { list as listDeadLetters } from "./message/dead-letters/list.ts";
import { purge } from "./message/dead-letters/purge.ts";
import { replay } from "./message/dead-letters/replay.ts";
import { list as listMessages } from "./message/list.ts";
import { send } from "./message/send.ts";
import { watch as watchMessages } from "./message/watch.ts";
import { resources } from "./resources.ts";
import { simulate } from "./simulate.ts";
import { version } from "./version.ts";
import { rotateGossipKey } from "./security/rotate-gossip-key.ts";
import { server } from "./server/routes.ts";
import type { CliContext } from "./command.ts";
import { mapHelp } from "./help.ts";
import { noun } from "./noun.ts";

const agentRoutes = {
  list: listAgents,
  show: showAgent,
  logs,
  suspend,
  resume,
  migrate,
  remove: removeAgent,
  deploy,
};
const deadLetters = noun("Messages that could not be delivered", { list: listDeadLetters, replay, purge });

const map = buildRouteMap<string, CliContext>({
  routes: {
    server,
    deploy,
    agent: noun("Agents", agentRoutes, ["deploy"]),
    message: noun("Messages", { send, list: listMessages, watch: watchMessages, deadLetters }),
    conversation: noun("Conversations", { list: listConversations, show: showConversation }),
    cluster: noun("The cluster and its nodes", {
      members,
      status,
      watch: watchCluster,
      ping,
      leave,
      remove: removeNode,
      addNode,
      isolate,
      rejoin,
      rebuild,
      leader,
      balance,
      rebalance,
      compareState,
      detectPartition,
      resolvePartition,
      partition: noun("Partitions: what became of queued writes, and drills", {
        report: partitionReport,
        rehearse,
      }),
      verify,
      verifyAuth,
      performance,
      analyze,
      shedLoad,
      stop,
      start,
    }),
    kv: noun("Keys and values that the whole cluster agrees on", {
      get,
      put,
      delete: deleteKey,
      list: listKeys,
    }),
    lock: noun("Locks with a time to live and a fencing token", { acquire, release, show: showLock }),
    resources,
    auth: noun("Who may use the API", { token }),
    security: noun("Keys and certificates", { rotateGossipKey }),
    config: noun("A node's configuration", { validate, show: showConfig, schema, init }),
    context: noun("Saved nodes to talk to", { add, use, list: listContexts, remove: removeContext }),
    simulate,
    completion,
    version,
  },
  aliases: { agents: "agent", messages: "message", conversations: "conversation" },
  docs: { brief: "Caxton: a self-hosted edge cluster for WebAssembly agents" },
});

export const root = mapHelp(map, true);
