"""A program for each event, which gets it on its standard input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from mplp_cli.errors import DeliveryError, Failure
from mplp_cli.protocols import Ended
from mplp_cli.workflow.agents import filled
from mplp_cli.workflow.events.routes import CommandTarget
from mplp_cli.workflow.published import Published, cloud_event

#: Lines of standard error that a failure carries, and characters of the last one that its message has.
_LINES, _SAID = 20, 300


class RunCommand(Protocol):
    """Runs a program to its end, as a group of processes of its own."""

    async def __call__(self, argv: list[str], stdin: str, *, env: Mapping[str, str], cwd: str) -> Ended:
        """Its end, with the last of its standard error, masked. OSError or ValueError if it cannot be started.

        Cancelled, it ends the program with all that it has started.
        """
        ...


class CommandSender:
    """Runs one program. `environ` is what every program gets; `secrets` has what values of its `env` refer to."""

    at_most = 1

    def __init__(
        self,
        route: str,
        target: CommandTarget,
        run: RunCommand,
        environ: Mapping[str, str],
        secrets: Mapping[str, str],
    ) -> None:
        self._target = target
        self._run = run
        given = {name: filled(value, secrets) for name, value in target.env.items()}
        self._env = {**environ, **given, "MPLP_EVENT_ROUTE": route}

    async def send(self, events: Sequence[tuple[int, Published]]) -> Sequence[Failure | None]:
        """Delivered is what it takes and ends with 0."""
        return [await self._one(event) for _, event in events]

    async def _one(self, event: Published) -> Failure | None:
        env = {
            **self._env,
            "MPLP_EVENT_ID": event.id,
            "MPLP_EVENT_TYPE": event.type,
            "MPLP_EVENT_SOURCE": event.source,
        }
        argv, cwd = self._target.command, self._target.cwd
        stdin = msgspec.json.encode(cloud_event(event)).decode() + "\n"
        try:
            ended = await self._run(argv, stdin, env=env, cwd=cwd)
        except OSError as error:
            why = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
            return DeliveryError(f"`{argv[0]}` cannot be started: {why}").failure()
        except ValueError:
            why = "its arguments or its environment hold a NUL character"
            return DeliveryError(f"`{argv[0]}` cannot be started: {why}", again=False).failure()
        if ended.code == 0:
            return None
        lines = ended.stderr.strip().splitlines()[-_LINES:]
        said = f": {lines[-1][:_SAID]}" if lines else ""
        return DeliveryError(
            f"`{argv[0]}` ended with code {ended.code}{said}",
            details={"exitCode": ended.code, "stderr": "\n".join(lines)},
        ).failure()
