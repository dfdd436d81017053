"""`mplp serve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import Output, SecretsFile, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.serving.server import Begun


def main(
    workflows: Annotated[
        list[Path] | None,
        typer.Option(
            "--workflows",
            "-w",
            metavar="PATH",
            help="A workflow file, or a directory of them (repeatable) [default: workflows/, else here].",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", metavar="PORT", min=0, max=65_535, help="0 takes a free one.")
    ] = 7420,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Another name that the server goes by, of a proxy for example (repeatable).",
            show_default=False,
        ),
    ] = None,
    at_once: Annotated[
        int, typer.Option("--at-once", metavar="N", min=1, help="At most so many runs at work; others wait.")
    ] = 8,
    queue: Annotated[
        int, typer.Option("--queue", metavar="N", min=1, help="At most so many runs wait; then 429.")
    ] = 1_000,
    backlog: Annotated[
        int, typer.Option("--backlog", metavar="N", min=1, help="At most so many events wait; then 429.")
    ] = 100_000,
    grace: Annotated[
        float, typer.Option("--grace", metavar="SECONDS", min=0, help="What a stop leaves to steps at work.")
    ] = 30.0,
    openapi: Annotated[
        bool, typer.Option("--openapi", help="Print the OpenAPI document of the API and stop.")
    ] = False,
    secrets_file: SecretsFile = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Serve workflows and what triggers them, over HTTP.

    What starts runs by itself (`triggers` of a workflow) works as long as the server runs. Every request needs the
    token: that of MPLP_SERVE_TOKEN, else one that is made once and kept in STATE/serve.token.

    SIGTERM or Ctrl-C ends it in order: what is asked is answered, steps at work finish within the grace, the rest
    goes on when it is started again. The second one ends it at once. After a crash, too, nothing that it has
    accepted is lost.

    Exit codes: 0 ended, 2 it cannot start as it is told, 74 the state cannot be used, 75 another server serves it.

    Examples:

      mplp serve

      mplp serve --workflows flows/ --port 0 --output json

      mplp serve --openapi > openapi.json
    """
    from mplp_cli.cli.extra import need_extra

    if openapi:
        _print_document()
        return
    need_extra("serve", "mplp serve", "starlette", "uvicorn", "watchfiles")
    from mplp_cli.runtime import Runtime
    from mplp_cli.serving.server import Wanted, serve

    wanted = Wanted(
        host=host,
        port=port,
        hosts=allow_host or (),
        places=workflows or (),
        at_once=at_once,
        queue=queue,
        events=backlog,
        grace=grace,
        secrets_file=secrets_file,
    )
    serve(Runtime(state_dir=state_dir), wanted, lambda begun: _tell(begun, output))


def _print_document() -> None:
    from mplp_cli.render.machine import write_document
    from mplp_cli.serving.openapi import openapi
    from mplp_cli.serving.table import OPERATIONS

    write_document(openapi(OPERATIONS))


def _tell(begun: Begun, output: TextOrJson) -> None:
    if output is TextOrJson.json:
        import msgspec

        from mplp_cli.render.machine import write_line

        write_line(msgspec.to_builtins(begun))
    from mplp_cli.cli.showing import note

    token = "MPLP_SERVE_TOKEN" if begun.token_file is None else begun.token_file
    number = len(begun.workflows)
    note(f"serving {number} workflow{'' if number == 1 else 's'} at {begun.url}; the token is in {token}")
