"""Completion for zsh."""

from __future__ import annotations

from mplp_cli.cli.shells.table import Parameter, Table, Verb, quoted

_HEAD = """\
#compdef mplp
# Completion of mplp for zsh. Made by `mplp completion zsh`; changes will be lost.
#
#   mplp completion zsh > DIRECTORY/_mplp     (a directory of $fpath)
"""

_BODY = r"""
# Asks mplp itself, and shows what it answers with its descriptions: _mplp_ask TAG KIND [ARGUMENT...]
_mplp_ask() {
  local tag=$1 line name state=${(Q)opt_args[--state-dir]:-$MPLP_STATE_DIR}
  local -a found
  shift
  for line in "${(@f)$(MPLP_STATE_DIR=$state $mplp_program __complete "$@" 2>/dev/null </dev/null)}"; do
    name=${line%%$'\t'*}
    [[ -n $name ]] && found+=("${name//:/\\:}:${line#*$'\t'}")
  done
  _describe -V "$tag" found
}

_mplp_runs() { _mplp_ask run runs "$mplp_verb" }
_mplp_steps() { _mplp_ask step steps "$mplp_verb" "${(Q)line[1]}" }
_mplp_workflows() { _mplp_ask workflow workflows }
_mplp_examples() { _mplp_ask example examples }
_mplp_schemas() { _mplp_ask schema schemas }
_mplp_modules() { _mplp_ask module modules }
_mplp_operations() { _mplp_ask operation operations }
_mplp_kinds() { _mplp_ask kind kinds }
_mplp_objects() { _mplp_ask object objects }
_mplp_allocations() { _mplp_ask allocation allocations }
_mplp_topics() { _mplp_ask topic topics; _mplp_verbs }
_mplp_workflow_file() {
  _files
  # Many names beside files help nobody: they are shown once they are asked for.
  [[ -n $PREFIX && ( example: == "$PREFIX"* || $PREFIX == example:* ) ]] && _mplp_ask example examples run
}
"""

_MAIN = r"""
_mplp() {
  local curcontext=$curcontext state line ret=1 mplp_verb mplp_program=${~${(Q)words[1]}}
  typeset -A opt_args
  _arguments -C -s -S : \
@ROOT@
    '1: :_mplp_verbs' \
    '*:: :->rest' && ret=0
  [[ $state == rest ]] || return ret
  mplp_verb=${words[1]}
  curcontext="${curcontext%:*}-$mplp_verb:"
  case $mplp_verb in
@CASES@
  esac
  return ret
}

if [[ $funcstack[1] == _mplp ]]; then
  _mplp "$@"
else
  compdef _mplp mplp
fi
"""


def script(table: Table) -> str:
    """The script."""
    described = "\n".join(f"    {quoted(f'{verb.name}:{verb.help}')}" for verb in table.verbs)
    verbs = f"\n_mplp_verbs() {{\n  local -a verbs=(\n{described}\n  )\n  _describe -V command verbs\n}}\n"
    root = "\n".join(f"    {_option(option)} \\" for option in table.root.options)
    cases = "\n".join(_case(verb) for verb in table.verbs)
    return _HEAD + _BODY + verbs + _MAIN.replace("@ROOT@", root).replace("@CASES@", cases)


def _case(verb: Verb) -> str:
    specs = [*(_option(option) for option in verb.options), *_arguments(verb)]
    listed = " \\\n".join(f"        {spec}" for spec in specs)
    return f"    {verb.name})\n      _arguments -s -S : \\\n{listed} && ret=0\n      ;;"


def _option(option: Parameter) -> str:
    """`'(-o --output)'{-o+,--output=}'[How to answer]:value:(text json)'`."""
    says = f"[{_plain(option.help)}]"
    action = f":{option.takes}:{_action(option)}" if option.takes else ""
    apart = "*" if option.repeats else f"({' '.join(option.names)})"
    ends = [name + (("=" if name.startswith("--") else "+") if option.takes else "") for name in option.names]
    if len(ends) == 1:
        return quoted(f"{apart}{ends[0]}{says}{action}")
    return f"{quoted(apart)}{{{','.join(ends)}}}{quoted(says + action)}"


def _arguments(verb: Verb) -> list[str]:
    return [
        quoted(f"{'*' if argument.repeats else number}: :{_action(argument)}")
        for number, argument in enumerate(verb.arguments, 1)
    ]


def _action(parameter: Parameter) -> str:
    match parameter.takes:
        case "choices":
            return f"({' '.join(parameter.choices)})"
        case "file":
            return "_files"
        case "directory":
            return "_files -/"
        case "workflow":
            return "_mplp_workflow_file"
        case "text":
            return " "
        case kind:
            return f"_mplp_{kind}"


def _plain(text: str) -> str:
    """A description between brackets: what ends it, or an argument, is escaped."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
