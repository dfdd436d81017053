"""Completion for PowerShell, 5.1 and later."""

from __future__ import annotations

from mplp_cli.cli.shells.table import Parameter, Table, Verb

_HEAD = """\
# Completion of mplp for PowerShell. Made by `mplp completion powershell`; changes will be lost.
#
#   mplp completion powershell >> $PROFILE
"""

_BODY = r"""
Register-ArgumentCompleter -Native -CommandName mplp -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

@TABLE@

    $program = $commandAst.CommandElements[0].ToString()
    $typed = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString().Trim("'", '"') })
    $verb = ''
    $option = ''
    $state = ''
    $positional = @()
    foreach ($word in $typed) {
        if ($option) {
            if ($option -ceq '--state-dir') { $state = $word }
            $option = ''
        } elseif ($word -clike '--state-dir=*') {
            $state = $word.Substring('--state-dir='.Length)
        } elseif ($word -like '-?*') {
            if ($values.ContainsKey("$verb $word")) { $option = $word }
        } elseif (-not $verb) {
            $verb = $word
        } else {
            $positional += $word
        }
    }

    # Asks mplp itself: one candidate a line, a description behind a tab.
    function Get-Answer {
        $before = $env:MPLP_STATE_DIR
        if ($state) { $env:MPLP_STATE_DIR = $state }
        try { & $program __complete @args 2>$null } catch { } finally { $env:MPLP_STATE_DIR = $before }
    }

    function Get-Candidate($source) {
        $kind, $choices = $source
        switch ($kind) {
            'choices' { $choices }
            'topics' { Get-Answer topics; $choices }
            'runs' { Get-Answer runs $verb }
            'steps' { Get-Answer steps $verb $positional[0] }
            'workflow' { if ($wordToComplete -like 'e*') { Get-Answer examples run } }
            { $_ -in 'file', 'directory', 'text' } { }
            default { Get-Answer $kind }
        }
    }

    $at = "$verb $($positional.Count)"
    $found = if ($option) { Get-Candidate $values["$verb $option"] }
    elseif ($wordToComplete -like '-*') { $options[$verb] }
    elseif (-not $verb) { $verbs }
    elseif ($arguments.ContainsKey($at)) { Get-Candidate $arguments[$at] }
    elseif ($arguments.ContainsKey("$verb *")) { Get-Candidate $arguments["$verb *"] }

    # What gives nothing here is completed as a file name by the shell.
    $found | ForEach-Object {
        $name, $says = $_ -split "`t", 2
        if ($name -like "$wordToComplete*") {
            if (-not $says) { $says = $name }
            [System.Management.Automation.CompletionResult]::new($name, $name, 'ParameterValue', $says)
        }
    }
}
"""


def script(table: Table) -> str:
    """The script."""
    verbs = (table.root, *table.verbs)
    tables = (
        _list("verbs", [_quoted(f"{verb.name}\t{verb.help}") for verb in table.verbs]),
        _map("options", [_options(verb) for verb in verbs]),
        _map("values", [row for verb in verbs for row in _values(verb)]),
        _map("arguments", [row for verb in table.verbs for row in _arguments(verb)]),
    )
    return _HEAD + _BODY.replace("@TABLE@", "\n".join(tables))


def _list(name: str, rows: list[str]) -> str:
    listed = "\n".join(f"        {row}" for row in rows)
    return f"    ${name} = @(\n{listed}\n    )"


def _map(name: str, rows: list[str]) -> str:
    # `@{}` takes keys that differ in case alone for the same.
    listed = "\n".join(f"    ${name}{row}" for row in rows)
    return f"    ${name} = New-Object System.Collections.Hashtable ([StringComparer]::Ordinal)\n{listed}"


def _options(verb: Verb) -> str:
    rows = ", ".join(_quoted(f"{name}\t{option.help}") for option in verb.options for name in option.names)
    return f"[{_quoted(verb.name)}] = @({rows})"


def _values(verb: Verb) -> list[str]:
    return [
        f"[{_quoted(f'{verb.name} {name}')}] = {_source(option)}"
        for option in verb.valued
        for name in option.names
    ]


def _arguments(verb: Verb) -> list[str]:
    return [
        f"[{_quoted(f'{verb.name} *' if argument.repeats else f'{verb.name} {number}')}] = {_source(argument)}"
        for number, argument in enumerate(verb.arguments)
    ]


def _source(parameter: Parameter) -> str:
    """Its kind and, in an array of their own, its choices."""
    choices = ", ".join(_quoted(choice) for choice in parameter.choices)
    return f"@({_quoted(parameter.takes)}, @({choices}))"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
