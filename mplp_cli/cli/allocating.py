"""`mplp resources allocate` and `mplp resources release`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import Output, StateDir, TextOrJson
from mplp_cli.workflow.resources import Strategy

if TYPE_CHECKING:
    from mplp_cli.workflow.resources import Allocation, Demand


def allocate(
    cpu: Annotated[
        str | None, typer.Option("--cpu", metavar="CORES", help="Such as 2 or 0.5.", show_default=False)
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option("--memory", metavar="BYTES", help="Such as 512MiB or 2GB.", show_default=False),
    ] = None,
    network: Annotated[
        str | None, typer.Option("--network", metavar="RATE", help="Such as 10mbps.", show_default=False)
    ] = None,
    storage: Annotated[
        str | None, typer.Option("--storage", metavar="BYTES", help="Such as 1GiB.", show_default=False)
    ] = None,
    custom: Annotated[
        list[str] | None,
        typer.Option(
            "--custom",
            metavar="NAME=AMOUNT",
            help="A kind of the project's own (repeatable).",
            show_default=False,
        ),
    ] = None,
    strategy: Annotated[
        Strategy, typer.Option("--strategy", help="On which unit, where several have room.")
    ] = "first-fit",
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Hold a part of the pool by hand, until it is released, and print the id of the allocation.

    All of it is held, or nothing: if one kind is short, the message says what was asked and what is available.
    Runs that wait are served first. No process keeps it: it stays when this command ends, and when the machine
    starts anew. A rate comes back by itself and cannot be held.

    Exit codes: 1 there is not enough.

    Examples:

      mplp resources allocate --cpu 1 --memory 512MiB

      mplp resources allocate --custom llm-slot=1 --strategy best-fit
    """
    from functools import partial

    from mplp_cli.assembly import end_lost
    from mplp_cli.cli.showing import note
    from mplp_cli.errors import Exit, OperationError
    from mplp_cli.render.resources import parts_text
    from mplp_cli.requesting import user_name
    from mplp_cli.resources.holding import hold
    from mplp_cli.runtime import Runtime

    asked = {"cpu": cpu, "memory": memory, "network": network, "storage": storage}
    demand = _demand({kind: text for kind, text in asked.items() if text is not None}, custom or [], strategy)
    with Runtime(state_dir=state_dir) as runtime:
        try:
            made = hold(
                runtime.pool,
                runtime.store.shares,
                demand,
                partial(end_lost, runtime),
                identifier=runtime.ids.uuid(),
                by=user_name(),
                now=runtime.clock.now(),
            )
        except OperationError as error:
            error.exit_code = Exit.USAGE
            raise
    if output is TextOrJson.json:
        _write(made)
        return
    sys.stdout.write(f"{made.id}\n")
    note(f"held ({made.strategy}): {parts_text(made)}")


def release(
    allocation: Annotated[str, typer.Argument(metavar="ALLOCATION", help="Its id, or how it begins.")],
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Release what `mplp resources allocate`, or an operation of a run, holds.

    Exit codes: 1 nothing is held under that id, or not any more.

    Example:

      mplp resources release 0f8b5c1e-2d3a-4c55-9a51-0f5d1c2b3a4d
    """
    from mplp_cli.cli.showing import note, stored
    from mplp_cli.errors import AllocationNotFoundError
    from mplp_cli.render.resources import parts_text
    from mplp_cli.render.view import short_id
    from mplp_cli.runtime import Runtime

    with Runtime(state_dir=state_dir) as runtime:
        store = stored(runtime)
        if store is None:
            raise AllocationNotFoundError(allocation)
        meant = [one.id for one in store.shares.allocations() if one.id.startswith(allocation)]
        made = store.shares.release(meant[0] if len(meant) == 1 else allocation)
    if output is TextOrJson.json:
        _write(made)
        return
    note(f"released {short_id(made.id)}: {parts_text(made)}")


def _write(made: Allocation) -> None:
    from mplp_cli.render.machine import write_document
    from mplp_cli.resources.utilization import allocation_document
    from mplp_cli.workflow.values import rfc3339

    write_document(allocation_document(made, rfc3339(made.at)))


def _demand(asked: dict[str, str], custom: list[str], strategy: Strategy) -> Demand:
    """What the options ask for. UsageError names the option that is wrong."""
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.amounts import amount_of
    from mplp_cli.workflow.resources import Demand

    amounts = [(f"--{kind} {text}", kind, text) for kind, text in asked.items()]
    amounts += [(f"--custom {pair}", *_pair(pair)) for pair in custom]
    if not amounts:
        raise UsageError(
            "nothing is asked for", hint="such as --cpu 1, --memory 512MiB or --custom NAME=AMOUNT"
        )
    found: dict[str, int] = {}
    for option, kind, text in amounts:
        if kind in found:
            raise UsageError(f"{option}: `{kind}` is asked for twice", hint="ask for the sum of both")
        try:
            found[kind] = amount_of(kind, _number(text))
        except ValueError as error:
            raise UsageError(f"{option}: {error}") from None
    return Demand(amounts=tuple(sorted(found.items())), strategy=strategy)


def _number(text: str) -> float | str:
    """As in a file: a number where it is one."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text


def _pair(text: str) -> tuple[str, str]:
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.resources import KINDS

    name, equals, amount = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--custom {text}: write NAME=AMOUNT, such as llm-slot=1")
    if name in KINDS:
        raise UsageError(f"--custom {text}: `{name}` is no kind of your own", hint=f"write --{name} {amount}")
    return name, amount
