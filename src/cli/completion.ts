/** `caxton completion bash|zsh|fish`: a script for the shell, which asks `caxton __complete` for words. */
import { command } from "./command.ts";
import { completionScripts } from "./completion-scripts.ts";
import { choices } from "./parse.ts";

const shells = ["bash", "zsh", "fish"] as const;

export const completion = command<Record<never, never>, [(typeof shells)[number]]>({
  brief: "Print a completion script for a shell",
  examples: ['eval "$(caxton completion bash)"'],
  description:
    "The program must be found as `caxton`, and an alias is not: in the checkout, " +
    'ln -s "$PWD/src/cli/main.ts" ~/.local/bin/caxton makes one. ' +
    "Names of agents and nodes are asked of the node. In ~/.bashrc or ~/.zshrc (after compinit): " +
    'eval "$(caxton completion bash)"; for fish: caxton completion fish > ~/.config/fish/completions/caxton.fish',
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ ...choices(shells), placeholder: "SHELL", brief: shells.join(", ") }],
    },
  },
  run: ({ output }, _flags, shell) => output.line(completionScripts[shell]),
});
