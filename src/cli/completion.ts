/** `caxton completion bash|zsh|fish`: a script for the shell, which asks `caxton __complete` for words. */
import { command } from "./command.ts";
import { choices } from "./parse.ts";

const shells = ["bash", "zsh", "fish"] as const;

const scripts: Readonly<Record<(typeof shells)[number], string>> = {
  bash: `_caxton() {
  local IFS=$'\\n'
  COMPREPLY=($(caxton __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _caxton caxton`,
  zsh: `#compdef caxton
_caxton() {
  local -a found
  local line
  while IFS=$'\\t' read -r word brief; do found+=("\${word//:/\\\\:}:$brief"); done \\
    < <(caxton __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe caxton found
}
compdef _caxton caxton`,
  fish: `complete -c caxton -f -a '(caxton __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'`,
};

export const completion = command<Record<never, never>, [(typeof shells)[number]]>({
  brief: "Print a completion script for a shell",
  examples: ['eval "$(caxton completion bash)"'],
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ ...choices(shells), placeholder: "SHELL", brief: shells.join(", ") }],
    },
  },
  run: ({ output }, _flags, shell) => output.line(scripts[shell]),
});
