"""The application: finds the command, runs it, and turns every error into a message and an exit code.

Only the command that is called is imported; `--help` of the application imports them all. A command
module has one function, `main`, and imports what it works with inside it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NoReturn

import typer

from mplp_cli.errors import Exit, MplpError, UsageError

#: Command -> module of `mplp_cli.cli`, in the order of the help.
COMMANDS = {
    "init": "init",
    "examples": "examples",
    "validate": "validate",
    "test": "test",
    "plan": "plan",
    "run": "run",
    "resume": "resume",
    "retry": "retry",
    "rerun": "rerun",
    "pause": "pause",
    "attach": "attach",
    "wait": "wait",
    "cancel": "cancel",
    "kill": "kill",
    "runs": "runs",
    "status": "status",
    "logs": "logs",
    "artifacts": "artifacts",
    "explain": "explain",
    "graph": "graph",
    "report": "report",
    "diff": "diff",
    "export": "export",
    "verify": "verify",
    "approvals": "approvals",
    "approve": "approve",
    "reject": "reject",
    "events": "events",
    "triggers": "triggers",
    "alerts": "alerts",
    "serve": "serve",
    "call": "call",
    "agents": "agents",
    "interfaces": "interfaces",
    "cassette": "cassette",
    "modules": "modules",
    "objects": "objects",
    "optimize": "optimize",
    "capacity": "capacity",
    "resources": "resources",
    "backup": "backup",
    "monitor": "monitor",
    "doctor": "doctor",
    "health": "health",
    "metrics": "metrics",
    "schema": "schema",
    "completion": "completion",
    "help": "help_",
}

#: Command -> what may stand behind it as a command of its own, and where it is: module, or module:function.
SUBCOMMANDS = {
    "runs": {"list": "runs", "prune": "prune"},
    "events": {
        "list": "events",
        "emit": "emit",
        "show": "event:show",
        "tail": "tail",
        "routes": "routes:routes",
        "deliveries": "deliveries:deliveries",
        "dead-letter": "dead_letters:main",
        "aggregate": "aggregate",
        "correlate": "correlate",
    },
    "triggers": {"list": "triggers", "test": "trigger:try_", "fire": "trigger:fire"},
    "alerts": {
        "list": "alerts",
        "show": "alerts:show_",
        "silence": "silencing:silence",
        "unsilence": "silencing:unsilence",
        "test": "alert_test:try_",
    },
    "agents": {
        "list": "agents",
        "show": "agent:show",
        "register": "registering:register",
        "unregister": "registering:unregister",
        "discover": "discovering:discover",
        "capabilities": "discovering:capabilities",
        "heartbeat": "registering:heartbeat",
        "doctor": "agent:doctor",
        "call": "agent_call:call",
        "ping": "agent_call:ping",
    },
    "interfaces": {
        "list": "interfaces",
        "activate": "activating:activate",
        "deactivate": "activating:deactivate",
        "call": "interface_call:call",
    },
    "modules": {
        "describe": "describe",
        "list": "modules",
        "show": "module:show",
        "status": "module:status",
        "initialize": "moving:initialize",
        "start": "moving:start",
        "stop": "moving:stop",
        "restart": "moving:restart",
        "send": "messages:send",
        "broadcast": "messages:broadcast",
        "subscribe": "messages:subscribe",
        "log": "messages:log",
    },
    "objects": {"show": "object_", "list": "objects"},
    "capacity": {"plan": "capacity:plan", "apply": "capacity:apply", "scale": "capacity:apply"},
    "resources": {
        "show": "resources",
        "utilization": "resources:utilization",
        "optimize": "rebalancing",
        "allocate": "allocating:allocate",
        "release": "allocating:release",
    },
    "cassette": {"show": "cassette:show", "diff": "cassette:diff", "check": "cassette:check"},
}

ABOUT = """Run declarative multi-agent workflows on a durable local engine.

One YAML file; `mplp run workflow.yaml` validates it, runs its steps as a graph, shows it live, and never
loses a finished step.

Start with: mplp init, mplp run workflow.yaml, mplp help
"""


def application(names: list[str], commands: Mapping[str, str] = COMMANDS) -> typer.Typer:
    """The application with these of the commands."""
    app = typer.Typer(
        name="mplp",
        help=ABOUT,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in names:
        place, _, function = commands[name].partition(":")
        command = getattr(import_module(f"mplp_cli.cli.{place}"), function or "main")
        behind = SUBCOMMANDS.get(name, {}) if commands is COMMANDS else {}
        epilog = f"Subcommands: {', '.join(behind)}; each has its --help." if behind else None
        app.command(name, no_args_is_help=False, epilog=epilog)(command)
    return app


def _root(
    version: bool = typer.Option(False, "--version", "-V", help="Print the version and exit."),
) -> None:
    if version:
        from mplp_cli import __version__

        typer.echo(f"mplp {__version__}")
        raise typer.Exit


def run() -> NoReturn:
    """Run the command line of this process and exit."""
    arguments = sys.argv[1:]
    named = next((a for a in arguments if not a.startswith("-")), "")
    names = [named] if named in COMMANDS else list(COMMANDS)
    try:
        # Without a command there is nothing to do but to say which there are.
        app, words, called = application(names), arguments or ["--help"], "mplp"
        behind = SUBCOMMANDS.get(named, {})
        if arguments[:1] == [named] and (inner := "".join(arguments[1:2])) in behind:
            app, words, called = application([inner], behind), arguments[1:], f"mplp {named}"
        code = app(args=words, prog_name=called, standalone_mode=False)
        code = code if arguments else Exit.USAGE
    except MplpError as error:
        code = complain(error, arguments)
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except SystemExit:
        # The argument parser leaves so when the reader has gone (`mplp runs | head`), and that is no failure.
        code = Exit.OK
    except Exception as error:  # noqa: BLE001 - the last one to catch it
        code = _foreign(error, arguments)
    _flush()
    sys.exit(int(code or 0))


def _flush() -> None:
    """Write what is left; if nobody reads it any more, it is written nowhere."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.dup2(nowhere, sys.stderr.fileno())


def complain(error: MplpError, arguments: list[str]) -> int:
    """Say what went wrong on stderr, as JSON if the command was to print JSON; the exit code."""
    if wants_json(arguments):
        from mplp_cli.render.machine import error_document, write_document

        write_document(error_document(error), sys.stderr)
    else:
        from mplp_cli.render.theme import safe

        sys.stderr.write(f"mplp: {safe(error.message)}\n")
        if error.hint:
            sys.stderr.write(f"help: {safe(error.hint)}\n")
    return error.exit_code


def wants_json(arguments: list[str]) -> bool:
    """Whether `--output json` or `--output jsonl` is among the arguments."""
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    apart = any(word in ("--output", "-o") and value.startswith("json") for word, value in pairs)
    return apart or any(word.startswith(("--output=json", "-ojson", "-o=json")) for word in arguments)


class _BugError(MplpError):
    """An error that is none of ours."""

    exit_code = Exit.BUG
    machine_name = "InternalError"


def _foreign(error: Exception, arguments: list[str]) -> int:
    """An error that is not ours: wrong usage as the argument parser says it, or a bug."""
    show: Any = getattr(error, "format_message", None)
    if show is not None:
        return _usage(error, show(), arguments)
    if os.environ.get("MPLP_TRACEBACK"):
        raise error
    bug = _BugError(
        f"a bug in mplp: {type(error).__name__}: {error}",
        hint="set MPLP_TRACEBACK=1 to see where, and please report it",
    )
    return complain(bug, arguments)


def _usage(error: Any, message: str, arguments: list[str]) -> int:
    """Wrong usage, as the argument parser found it. `ctx` is where."""
    context = getattr(error, "ctx", None)
    hint = f"try `{context.command_path} --help`" if context is not None else None
    behind = SUBCOMMANDS.get("".join(arguments[:1]), {})
    if behind and arguments[1:] and not arguments[1].startswith("-") and arguments[1] not in behind:
        from mplp_cli.workflow.suggest import did_you_mean

        hint = did_you_mean(arguments[1], behind) or f"the subcommands are {', '.join(behind)}"
    if context is not None and not wants_json(arguments):
        sys.stderr.write(f"{context.get_usage()}\n")
    return complain(UsageError(message, hint=hint), arguments)
