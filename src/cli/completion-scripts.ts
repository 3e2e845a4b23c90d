/**
 * The shells' side of completion. Each asks `caxton __complete` with the words typed so far, the last one
 * being the word begun; where the answer is `:files` the shell offers its own, elsewhere none.
 */

/** Bash cuts words at `=` and `:` too, so the line is cut anew, and what Bash took for done is cut off again. */
const bash = `_caxton() {
  local line="\${COMP_LINE:0:COMP_POINT}" IFS=$' \\t\\n' words=() word done found brief
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  word="\${words[\${#words[@]}-1]}"
  done="\${word%"\${COMP_WORDS[COMP_CWORD]#[=:]}"}"
  while IFS=$'\\t' read -r found brief; do
    if [[ $found == :files ]]; then compopt -o default 2>/dev/null; return; fi
    COMPREPLY+=("\${found#"$done"}")
  done < <(caxton __complete "\${words[@]:1}" 2>/dev/null)
}
complete -F _caxton caxton`;

const zsh = `#compdef caxton
_caxton() {
  local -a found
  local word brief
  while IFS=$'\\t' read -r word brief; do
    if [[ $word == :files ]]; then _files; return; fi
    found+=("\${word//:/\\\\:}:$brief")
  done < <(caxton __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#found} )) && _describe caxton found
}
if [[ "\${funcstack[1]}" == _caxton ]]; then _caxton "$@"; else compdef _caxton caxton; fi`;

const fish = `function __caxton_complete
  set -l words (commandline -opc)
  set -l begun (commandline -ct)
  set -l found (caxton __complete $words[2..-1] "$begun" 2>/dev/null)
  if string match -q ':files*' -- $found[1]
    __fish_complete_path "$begun"
  else if test (count $found) -gt 0
    printf '%s\\n' $found
  end
end
complete -c caxton -f -a '(__caxton_complete)'`;

export const completionScripts = { bash, zsh, fish } as const;
