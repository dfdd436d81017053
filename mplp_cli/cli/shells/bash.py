"""Completion for bash, 3.2 and later."""

from __future__ import annotations

from collections.abc import Iterator

from mplp_cli.cli.shells.table import Parameter, Table, Verb

_HEAD = """\
# Completion of mplp for bash (3.2 and later). Made by `mplp completion bash`; changes will be lost.
#
#   mplp completion bash > ~/.local/share/bash-completion/completions/mplp
"""

_BODY = r"""
# Sets `words` to the words up to the cursor: bash breaks words at `:` and `=`, this puts them together.
_mplp_words() {
  local i word line=$COMP_LINE
  words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((i > 0)) && [[ -n $word && -n $line && $line != [[:space:]]* ]]; then
      words[${#words[@]}-1]+=$word
    else
      words[${#words[@]}]=$word
    fi
    line=${line#*"$word"}
  done
}

# Adds the lines of standard input that begin with what is typed; what follows a tab is a description.
_mplp_add() {
  local word
  while IFS= read -r word; do
    word=${word%%$'\t'*}
    [[ -n $word && $word == "$cur"* ]] && COMPREPLY[${#COMPREPLY[@]}]=$before$word
  done
}

# Asks mplp itself.
_mplp_ask() {
  MPLP_STATE_DIR=${state:-$MPLP_STATE_DIR} "$program" __complete "$@" 2>/dev/null </dev/null
}

_mplp_files() {
  # Readline knows how to quote names, and what to put behind directories.
  compopt -o default -o bashdefault 2>/dev/null || _mplp_add < <(compgen -f -- "$cur")
}

_mplp_complete() { # KIND [CHOICE...]
  local kind=$1
  shift
  case $kind in
    choices) _mplp_add < <(printf '%s\n' "$@") ;;
    topics) _mplp_add < <(printf '%s\n' "$@" | cat - <(_mplp_ask topics)) ;;
    runs) _mplp_add < <(_mplp_ask runs "$verb") ;;
    steps) _mplp_add < <(_mplp_ask steps "$verb" "${positional[0]}") ;;
    file) _mplp_files ;;
    workflow)
      if [[ -n $cur && (example: == "$cur"* || $cur == example:*) ]]; then
        _mplp_add < <(_mplp_ask examples run)
        _mplp_add < <(compgen -f -- "$cur")
      else
        _mplp_files
      fi
      ;;
    directory) compopt -o dirnames 2>/dev/null || _mplp_add < <(compgen -d -- "$cur") ;;
    text) ;;
    *) _mplp_add < <(_mplp_ask "$kind") ;;
  esac
}

_mplp() {
  local words cur before='' word option='' verb='' positional state='' program=${1/#\~/$HOME} i
  positional=()
  COMPREPLY=()
  _mplp_words
  for ((i = 1; i < ${#words[@]} - 1; i++)); do
    word=${words[i]}
    if [[ -n $option ]]; then
      [[ $option == --state-dir ]] && state=$word
      option=''
    elif [[ $word == --state-dir=* ]]; then
      state=${word#*=}
    elif [[ $word == -?* ]]; then
      _mplp_takes_value && option=$word
    elif [[ -z $verb ]]; then
      verb=$word
    else
      positional[${#positional[@]}]=$word
    fi
  done
  cur=${words[${#words[@]}-1]}
  if [[ -z $option && $cur == --*=* ]]; then
    option=${cur%%=*}
    before=$option=
    cur=${cur#*=}
  fi
  if [[ -n $option ]]; then
    _mplp_value
  elif [[ $cur == -?* || $cur == - ]]; then
    _mplp_options
  elif [[ -z $verb ]]; then
    _mplp_complete choices @VERBS@
  else
    _mplp_argument
  fi
  # Bash puts in what follows the last `:` or `=`.
  word=$before$cur
  for i in : =; do
    if [[ $COMP_WORDBREAKS == *$i* && $word == *$i* ]]; then
      before=${word%"${word##*"$i"}"}
      COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
  done
}

complete -F _mplp mplp
"""


def script(table: Table) -> str:
    """The script."""
    verbs = (table.root, *table.verbs)
    tables = [
        _case("_mplp_takes_value", '"$verb $word"', _takes_value(verbs), "return 1"),
        _case("_mplp_value", '"$verb $option"', _values(verbs), ":"),
        _case("_mplp_options", '"$verb"', _options(verbs), ":"),
        _case("_mplp_argument", '"$verb ${#positional[@]}"', _arguments(table.verbs), "_mplp_options"),
    ]
    names = " ".join(verb.name for verb in table.verbs)
    return _HEAD + _BODY.replace("\n_mplp() {", "\n" + "\n\n".join(tables) + "\n\n_mplp() {").replace(
        "@VERBS@", names
    )


def _case(name: str, word: str, rows: Iterator[tuple[str, str]], otherwise: str) -> str:
    cases = "\n".join(f"    {pattern}) {command} ;;" for pattern, command in rows)
    return f"{name}() {{\n  case {word} in\n{cases}\n    *) {otherwise} ;;\n  esac\n}}"


def _pattern(verb: Verb, names: tuple[str, ...]) -> str:
    return " | ".join(f'"{verb.name} {name}"' for name in names)


def _takes_value(verbs: tuple[Verb, ...]) -> Iterator[tuple[str, str]]:
    for verb in verbs:
        if verb.valued:
            yield " | ".join(_pattern(verb, option.names) for option in verb.valued), "return 0"


def _values(verbs: tuple[Verb, ...]) -> Iterator[tuple[str, str]]:
    for verb in verbs:
        for option in verb.valued:
            yield _pattern(verb, option.names), _complete(option)


def _options(verbs: tuple[Verb, ...]) -> Iterator[tuple[str, str]]:
    for verb in verbs:
        names = " ".join(name for option in verb.options for name in option.names)
        yield f'"{verb.name}"', f"_mplp_complete choices {names}"


def _arguments(verbs: tuple[Verb, ...]) -> Iterator[tuple[str, str]]:
    for verb in verbs:
        for number, argument in enumerate(verb.arguments):
            pattern = f'"{verb.name} "*' if argument.repeats else f'"{verb.name} {number}"'
            yield pattern, _complete(argument)


def _complete(parameter: Parameter) -> str:
    return " ".join(("_mplp_complete", parameter.takes, *parameter.choices))
