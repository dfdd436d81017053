"""`mplp modules send | broadcast | subscribe | log`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.emit import carried_data
from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.modules.hub import Delivery
    from mplp_cli.runtime import Runtime

From = Annotated[str, typer.Argument(metavar="SOURCE", help="The module that it comes from.")]
Type = Annotated[
    str,
    typer.Option("--type", "-t", metavar="TYPE", help="Its type: an operation of the target, ping, or any."),
]
Data = Annotated[
    str | None,
    typer.Option("--data", "-d", metavar="JSON", help="What it carries: JSON, @FILE, or @- for stdin."),
]


def send(
    source: From,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The module that it goes to.")],
    kind: Type,
    data: Data = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Send a message from module to module, and print the answer.

    A message that is named like an operation of the target calls it with the data; `ping` asks how it stands;
    any other is taken note of. All of them are in `mplp modules log`.

    Exit code 1: the target refused it.

    Examples:

      mplp modules send plan context --type ping

      mplp modules send plan context --type list-contexts --data '{"limit": 1}'
    """
    runtime = _runtime(state_dir)
    delivery = runtime.hub.send(source, target, kind, carried_data(data))
    runtime.store.record(delivery.writes, runtime.hub.said())
    _tell([delivery], output)


def broadcast(
    source: From,
    kind: Type,
    data: Data = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Send a message to every module that has subscribed to it. That nobody has is no error.

    Exit code 1: one of them refused it; the others have got it all the same.
    """
    runtime = _runtime(state_dir)
    deliveries = runtime.hub.broadcast(source, kind, carried_data(data))
    writes = [item for delivery in deliveries for item in delivery.writes]
    runtime.store.record(writes, runtime.hub.said())
    _tell(deliveries, output)


def subscribe(
    subscriber: Annotated[str, typer.Argument(metavar="SUBSCRIBER", help="The module that is to be told.")],
    publisher: Annotated[str, typer.Argument(metavar="PUBLISHER", help="The module that it listens to.")],
    kinds: Annotated[
        list[str],
        typer.Option(
            "--type", "-t", metavar="TYPE", help="Such as plan.created; `*` for all. May be repeated."
        ),
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Take the subscription back.")] = False,
    state_dir: StateDir = None,
) -> None:
    """Let a module hear what another one broadcasts, and what happens to its objects.

    Example:

      mplp modules subscribe trace plan --type plan.created --type plan.completed
    """
    from mplp_cli.modules.hub import check_message_type
    from mplp_cli.modules.lookup import find_module
    from mplp_cli.protocols import Subscription
    from mplp_cli.render.theme import safe

    runtime = _runtime(state_dir)
    for name in (subscriber, publisher):
        find_module(runtime.modules, name)
    for kind in kinds if not remove else ():
        if kind != "*":
            check_message_type(kind)
    subscriptions = [Subscription(subscriber, publisher, kind) for kind in kinds]
    board = runtime.store.switchboard
    (board.unsubscribe if remove else board.subscribe)(subscriptions)
    mine = [s for s in board.wiring().subscriptions if s.subscriber == subscriber]
    for held in mine:
        sys.stdout.write(safe(f"{subscriber} listens to {held.publisher}: {held.type}") + "\n")
    if not mine:
        sys.stdout.write(f"{subscriber} listens to nobody\n")


def log(
    module: Annotated[
        str | None, typer.Option("--module", "-m", metavar="MODULE", help="Only from or to this module.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="At most so many.")] = 20,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Print what went through the hub last: calls of operations, messages, and notices to subscribers."""
    from mplp_cli.cli.showing import note, show, stored
    from mplp_cli.modules.lookup import find_module
    from mplp_cli.render.hub import log_table
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    if module is not None:
        find_module(runtime.modules, module)
    store = stored(runtime)
    lines = [] if store is None else store.switchboard.log(limit, module)
    if output is TextOrJson.json:
        from msgspec import to_builtins

        from mplp_cli.render.machine import write_document

        write_document({"communications": [to_builtins(line) for line in lines]})
    elif lines:
        show(lambda theme, width: log_table(lines, runtime.clock.now(), theme, width), no_color=no_color)
    else:
        note("nothing went through the hub yet")


def _runtime(state_dir: str | None) -> Runtime:
    from mplp_cli.runtime import Runtime

    return Runtime(state_dir=state_dir)


def _tell(deliveries: list[Delivery], output: TextOrJson) -> None:
    """Print the answers; exit code 1 if a target refused."""
    documents = [_document(delivery) for delivery in deliveries]
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"deliveries": documents})
    else:
        from mplp_cli.render.theme import safe

        for document in documents:
            answer = document["response"]
            said = answer["error"] or _plain(answer["data"])
            sys.stdout.write(f"{document['target']}: {safe(said)}\n")
        if not documents:
            sys.stdout.write("nobody listens\n")
    if not all(delivery.response["success"] for delivery in deliveries):
        raise typer.Exit(1)


def _document(delivery: Delivery) -> dict[str, Any]:
    said = delivery.said
    return {
        "correlationId": said.correlation_id,
        "timestamp": said.timestamp,
        "source": said.source,
        "target": said.target,
        "type": said.type,
        "response": delivery.response,
    }


def _plain(data: Any) -> str:
    import msgspec

    return "taken note of" if data is None else msgspec.json.encode(data).decode()
