"""Agents that are functions: called in a process of their own or inside this one, as a python step calls them."""

from __future__ import annotations

import re
from typing import Final

from mplp_cli.agents.adapters.given import arguments_of
from mplp_cli.agents.contract import AgentRequest, AgentResult, Tell
from mplp_cli.agents.workshop import Workshop
from mplp_cli.errors import AgentError, OutputLimitError, PythonCallError, PythonExitError, RaisedError
from mplp_cli.workflow.agents import PythonAgent

#: What is said of a function that is not there.
_MISSING: Final = re.compile(r"there is no module |`[^`]*` (cannot be imported|has no |is a )")


def _code(said: str) -> str:
    """What happened to a call that was refused: nothing to call, no JSON, or arguments that it does not take."""
    if _MISSING.match(said):
        return "agent.unavailable"
    return "agent.output_invalid" if said.startswith("the result") else "agent.remote"


class PythonFunction:
    """An agent of kind `python`. Its input becomes keyword arguments; what it returns is the answer."""

    def __init__(self, agent: PythonAgent, workshop: Workshop) -> None:
        self._agent = agent
        self._workshop = workshop

    async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:  # noqa: ARG002 - it prints for itself
        """What the function returns. What it prints is output of the step."""
        body = {
            "call": self._agent.entrypoint,
            "arguments": arguments_of(request),
            "isolation": self._agent.isolation,
        }
        place = self._workshop
        attempt = place.attempt(request, body, env=place.open_environ, cwd=place.cwd)
        try:
            output = await place.call_function(attempt)
        except RaisedError as error:
            said = f"{error.type_name}: {error.message}"
            raise self._error("agent.remote", f"it raised {said}", error.details, retryable=True) from error
        except PythonExitError as error:
            raise self._error("agent.exit", error.message, error.details, retryable=True) from error
        except OutputLimitError as error:
            raise self._error("agent.output_invalid", error.message, error.details) from error
        except PythonCallError as error:
            raise self._error(_code(error.message), error.message, error.details) from error
        return AgentResult(output=output, text=output if isinstance(output, str) else None)

    def _error(
        self, code: str, message: str, details: dict[str, object], *, retryable: bool = False
    ) -> AgentError:
        name = self._agent.id
        return AgentError(
            code, f"agent `{name}`: {message}", agent=name, retryable=retryable, details=details
        )

    async def probe(self) -> None:
        """Look for the module, without running it."""
        import sys
        from importlib.machinery import PathFinder

        module = self._agent.entrypoint.partition(":")[0].partition(".")[0]
        path = [self._workshop.directory, *sys.path]
        if module not in sys.builtin_module_names and PathFinder.find_spec(module, path) is None:
            raise self._error("agent.unavailable", f"there is no module `{module}`", {})

    async def aclose(self) -> None:
        """Nothing is open."""
