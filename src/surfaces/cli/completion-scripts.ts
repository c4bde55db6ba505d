export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/**
 * Each hands the words to `steward complete --` as they are: what is half typed is never evaluated by the shell. An answer is a
 * line: the word, a tab, what it means.
 */
export const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# bash completion for steward
_steward_complete() {
  local word
  COMPREPLY=()
  while IFS=$'\\t' read -r word _; do
    COMPREPLY+=("$(printf '%q' "$word")")
  done < <(steward complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o nosort -F _steward_complete steward 2>/dev/null || complete -F _steward_complete steward
`,
  zsh: `#compdef steward
# zsh completion for steward
_steward() {
  local line
  local -a described
  for line in "\${(@f)$(steward complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe -V steward described
}
(( \${+functions[compdef]} )) && compdef _steward steward
`,
  fish: `# fish completion for steward
function __steward_complete
  set -l words (commandline -opc)
  set -l last (commandline -ct)
  steward complete -- $words[2..-1] "$last" 2>/dev/null
end
complete -c steward -f -a '(__steward_complete)'
`,
};

/** Where each shell looks by itself, below the home of the user; for zsh the folder has to stand in fpath. */
export const PLACES: Readonly<Record<Shell, { readonly path: string; readonly next: string }>> = {
  bash: {
    path: '.local/share/bash-completion/completions/steward',
    next: 'Open a new shell. Without the package bash-completion, source the file in ~/.bashrc.',
  },
  zsh: {
    path: '.local/share/zsh/site-functions/_steward',
    next: 'Put this before compinit in ~/.zshrc: fpath=(~/.local/share/zsh/site-functions $fpath)',
  },
  fish: { path: '.config/fish/completions/steward.fish', next: 'Open a new shell.' },
};
