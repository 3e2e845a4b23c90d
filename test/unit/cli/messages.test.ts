/** What `message` commands print beside what the node answers: short addresses, and why nobody replied. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { shortAddress } from "../../../src/cli/message/columns.ts";
import { cliWorld } from "../../support/cli-world.ts";

let world: Awaited<ReturnType<typeof cliWorld>>;
beforeEach(async () => {
  world = await cliWorld();
});
afterEach(() => world.dispose());

test("a client's address is short in a table, and whole when wide; others are as they are", async () => {
  const tag = "01a1ff45-2c2b-7cc4-9a6e-0c65ab2a33f1";
  expect(shortAddress(`~admin.${tag}@vm`)).toBe("~admin.01a1ff45…@vm");
  for (const address of ["echo", "echo@vm", "~admin", "~admin@vm", "~dead-letters@vm"])
    expect(shortAddress(address)).toBe(address);
  const file = join(world.folder, "a.wasm");
  writeFileSync(file, Uint8Array.of(0, 1, 2));
  await world.caxton("deploy", file, "--name", "echo");
  await world.caxton("message", "send", "--to", `echo`, "--content", "x");
  const { message } = world.services.sent[0] as (typeof world.services.sent)[number];
  const sender = `~admin.${tag}@vm` as typeof message.sender;
  world.services.sent[0] = {
    ...(world.services.sent[0] as object),
    message: { ...message, sender },
  } as never;
  expect((await world.caxton("message", "list")).stdout).toContain("~admin.01a1ff45…@vm");
  expect((await world.caxton("message", "list", "-o", "wide")).stdout).toContain(`~admin.${tag}@vm`);
  expect((await world.caxton("message", "list", "-o", "json")).stdout).toContain(`~admin.${tag}@vm`);
});

test("who waits for a suspended agent is told that it is", async () => {
  const file = join(world.folder, "a.wasm");
  writeFileSync(file, Uint8Array.of(0, 1, 2));
  await world.caxton("deploy", file, "--name", "echo");
  Object.assign(world.services.messages, {
    send: () => Promise.reject(new CaxtonError("timeout", 'No reply from "echo" in time')),
  });
  const send = () => world.caxton("message", "send", "--to", "echo", "--content", "x", "--wait", "1s");
  expect(await send()).toMatchObject({ exit: 1, stderr: 'error: No reply from "echo" in time\n' });
  await world.caxton("agent", "suspend", "echo");
  expect(await send()).toEqual({
    exit: 6,
    stdout: "",
    stderr: 'error: "echo" is suspended: the message waits in its inbox until caxton agent resume echo\n',
  });
});
