"""What a project sets, and its agents: those of `agents.yaml` or `mplp.yaml`, and those that were registered."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from mplp_cli.errors import Exit, MplpError, Problem, WorkflowValidationError
from mplp_cli.protocols import Clock, Ids
from mplp_cli.settings import load_settings
from mplp_cli.workflow.agents import Activation, AgentFile, Budget, Price

if TYPE_CHECKING:
    from mplp_cli.agents.plugged import Kinds
    from mplp_cli.agents.registry import Entry, Registry
    from mplp_cli.loading.agents import Beside
    from mplp_cli.loading.load import Loaded
    from mplp_cli.settings import Settings
    from mplp_cli.sources import Source

#: What a project's agents file is called, unless `mplp.yaml` names another.
FILE = "agents.yaml"


class Roster(Struct, frozen=True, kw_only=True):
    """What the files of a project define. `problems` has warnings only, `texts` the files by the names
    that they call them."""

    entries: list[Entry] = []
    budgets: dict[str, Budget] = {}
    prices: dict[str, Price] = {}
    activation: Activation = Activation()
    problems: list[Problem] = []
    texts: dict[str, bytes] = {}


class InvalidAgentsError(WorkflowValidationError):
    """A file that defines agents is not valid. `texts` has the files by the names that the problems call them."""

    exit_code = Exit.USAGE
    machine_name = "WorkflowValidationError"

    def __init__(self, problems: Sequence[Problem], texts: Mapping[str, bytes]) -> None:
        super().__init__(problems)
        self.texts = dict(texts)


def project_roster(
    settings: Settings, cwd: Path, environ: Mapping[str, str], state_dir: Callable[[], Path | None]
) -> Roster:
    """The agents that the project's files define; the first file that defines an id, or says how reserved
    interfaces are taken over, wins; of the latter `mplp.yaml` does. `state_dir`: where agents are registered.

    InvalidAgentsError if a file is not valid or cannot be read.
    """
    files = agent_files(settings, cwd)
    if not files:
        return Roster()
    from mplp_cli.agents.registry import Entry

    made = Roster()
    known: set[str] = set()
    activation: Activation | None = None
    for path in files:
        inside, others = path == settings.file, partial(_ids, known, state_dir)
        found, problems, texts = _load(path, environ, inside=inside, known=others, roster=made)
        activation = (found.activation if inside else None) or activation or found.activation
        directory, name = str(path.parent), shown(path, cwd)
        fresh = [Entry(agent=a, directory=directory, source=name) for a in found.agents if a.id not in known]
        known |= {entry.id for entry in fresh}
        made = Roster(
            entries=[*made.entries, *fresh],
            budgets={**found.budgets, **made.budgets},
            prices={**found.prices, **made.prices},
            activation=activation or Activation(),
            problems=[*made.problems, *problems],
            texts={**made.texts, **texts},
        )
    return made


def _ids(known: Iterable[str], state_dir: Callable[[], Path | None]) -> frozenset[str]:
    """Those that are known, and those of the agents that were registered."""
    from mplp_cli.store.registrations import RegistrationFile

    kept = RegistrationFile(lambda make: state_dir()).read()
    return frozenset(known) | {one.agent.id for one in kept.registered}


def make_registry(roster: Roster, find: Callable[[bool], Path | None], clock: Clock, ids: Ids) -> Registry:
    """Those of the files and those that were registered. `find` gives the state directory, made if it is told to."""
    from mplp_cli.agents.registry import Registry
    from mplp_cli.store.registrations import RegistrationFile

    return Registry(RegistrationFile(find), clock, ids, roster.entries)


@cache
def agent_kinds() -> Kinds:
    """The kinds of agents that installed packages bring along."""
    from mplp_cli.agents.plugged import Kinds
    from mplp_cli.loading.values import misfits

    return Kinds(misfits)


def agent_files(settings: Settings, cwd: Path) -> list[Path]:
    """The files that define agents of the project: what `mplp.yaml` names, else `agents.yaml` beside it, or here;
    and `mplp.yaml` itself if it says who takes over reserved interfaces."""
    files = settings.agents
    if files is None:
        beside = (settings.file.parent if settings.file else cwd) / FILE
        files = [beside] if beside.is_file() else []
    if settings.activation and settings.file is not None and settings.file not in files:
        # Last, for what it binds is defined in the others; what it says of interfaces goes before theirs all the same.
        files = [*files, settings.file]
    return files


def shown(path: Path, cwd: Path) -> str:
    """A path as people would write it here."""
    near = os.path.relpath(path, cwd)
    return str(path) if near.startswith("..") else near


def _load(
    path: Path,
    environ: Mapping[str, str],
    *,
    inside: bool,
    known: Callable[[], frozenset[str]],
    roster: Roster,
) -> tuple[AgentFile, list[Problem], dict[str, bytes]]:
    from mplp_cli.agents.ailments import is_program
    from mplp_cli.agents.extras import missing_extra
    from mplp_cli.loading.agents import Beside, Known, load_agents
    from mplp_cli.loading.including import on_disk

    name = shown(path, Path.cwd())
    try:
        text = on_disk(str(path))
    except OSError as error:
        problem = Problem(
            code="agent-file",
            message=f"cannot read {name}: {error.strerror or error}",
            hint="`agents` in mplp.yaml names it",
            file=name,
        )
        raise InvalidAgentsError([problem], {}) from None
    directory, texts = str(path.parent), {name: text}
    around = Beside(
        lambda: Known(known(), frozenset(roster.budgets)),
        lambda program, cwd: is_program(program, cwd, directory, environ),
        missing=missing_extra,
        kinds=agent_kinds(),
        is_set=lambda name: bool(environ.get(name)),
    )

    def read(place: str) -> bytes:
        texts[shown(Path(place), Path.cwd())] = found = on_disk(place)
        return found

    found, problems = load_agents(text, name, directory=directory, read=read, beside=around, inside=inside)
    if found is None:
        raise InvalidAgentsError(problems, texts)
    return found, problems, texts


def project_settings(start: Path) -> Settings:
    """The settings in force for `start`, with what they declare of events. UsageError says what is wrong with them."""
    settings = load_settings(start)
    if not settings.events:
        return settings
    from mplp_cli.loading.settings_file import with_events

    return with_events(settings)


class Surroundings(Protocol):
    """The runtime, as far as definitions are judged by it."""

    @property
    def environ(self) -> Mapping[str, str]: ...
    def load(self, source: Source) -> Loaded: ...
    def existing_state_dir(self) -> Path | None: ...
    @property
    def roster(self) -> Roster: ...
    @property
    def registry(self) -> Registry: ...


def beside(runtime: Surroundings, directory: str, *, stored: bool = False) -> Beside:
    """What the definitions of a workflow or of a registered agent are judged by: the project's agents and budgets,
    and the programs of this machine. Relative paths start from `directory`. Of what is `stored`, nobody asks
    whether its programs are still there."""
    from mplp_cli.agents.ailments import is_program
    from mplp_cli.agents.extras import missing_extra
    from mplp_cli.loading.agents import Beside, Known

    return Beside(
        lambda: Known(
            frozenset(entry.id for entry in runtime.registry.entries()), frozenset(runtime.roster.budgets)
        ),
        lambda program, cwd: stored or is_program(program, cwd, directory, runtime.environ),
        stored,
        missing_extra,
        agent_kinds(),
        lambda name: bool(runtime.environ.get(name)),
    )


def check(runtime: Surroundings, source: Source) -> Loaded:
    """What is wrong with a file that is a workflow, or the settings of a project (`mplp.yaml`)."""
    from mplp_cli import settings

    if Path(source.name).name != settings.FILE:
        return runtime.load(source)
    from mplp_cli.loading.declared import around
    from mplp_cli.loading.including import on_disk
    from mplp_cli.loading.load import Loaded
    from mplp_cli.loading.settings_file import judge_settings

    directory, near = source.directory, beside(runtime, str(source.directory))

    def agents() -> list[str] | None:
        try:
            made = project_roster(
                load_settings(directory), directory, runtime.environ, runtime.existing_state_dir
            )
        except MplpError:
            return None  # what is wrong with them is said elsewhere
        return sorted(_ids([entry.agent.id for entry in made.entries], runtime.existing_state_dir))

    there = replace(around(str(directory), near, [], None), agents=agents)
    problems, texts = judge_settings(source.text, source.name, around=there, beside=near, read=on_disk)
    return Loaded(workflow=None, plan=None, problems=problems, texts=texts)
