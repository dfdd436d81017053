"""Everything outside the fold that one run needs, handed in by `runtime` (or by a test)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from mplp_cli.engine.sharing import Sharing
from mplp_cli.errors import Path
from mplp_cli.protocols import (
    Advise,
    Attempt,
    Board,
    CachedResult,
    Candidate,
    Clock,
    Ids,
    Journal,
    Operations,
    Output,
    Runner,
    Standing,
    Subruns,
    Subscriber,
)
from mplp_cli.workflow.language.conditions import Handler
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import Json, StepId

if TYPE_CHECKING:
    from mplp_cli.workflow.tracing import RunTrace


def its_own_work(_step: StepId, _attempt: int) -> UnsetType:
    """Nothing stands in for a step."""
    return UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """The seams of one run."""

    clock: Clock
    ids: Ids
    journal: Journal
    #: What anybody has published.
    board: Board
    operations: Operations
    #: Where a value does not fit a JSON Schema (as JSON), and what is wrong there.
    misfits: Callable[[bytes, Json], Sequence[tuple[Path, str]]]
    #: Step type -> what runs it.
    runners: Mapping[str, Runner]
    conditions: Mapping[str, Handler] = field(default_factory=dict)
    #: Declared secrets by name; never recorded.
    secrets: Mapping[str, str] = field(default_factory=dict)
    #: The environment that steps get: the process's without the secrets, under the workflow's `env`.
    environ: Mapping[str, str] = field(default_factory=dict)
    #: Masks secret values in anything that is about to be recorded.
    mask: Callable[[Json], Json] = lambda value: value
    #: Results that were kept under keys which begin so; None: nobody looks.
    cached: Callable[[str], Sequence[CachedResult]] | None = None
    #: Keeps the files that an attempt leaves; the second argument says whether it failed. None: they are not kept.
    keep_files: Callable[[Attempt, bool], Awaitable[None]] | None = None
    #: Which events of the run anybody may want, by their type.
    listened: Callable[[str], bool] = lambda kind: False
    output: Output = lambda step, stream, text: None
    subscribers: Sequence[Subscriber] = ()
    #: Told of each commit: the seconds that it took, and what was published with it.
    committed: Callable[[float, Sequence[Published]], None] = lambda seconds, told: None
    #: Ends every running process at once (second Ctrl-C).
    kill: Callable[[], None] = lambda: None
    #: The runs of sub-workflows, if the plan has any.
    subruns: Subruns | None = None
    #: Asks an agent for a module operation, and who may be asked; None: the plan asks nobody.
    advise: Advise | None = None
    candidates: Callable[[], Sequence[Candidate]] = tuple
    #: Its trace; None: there is none.
    trace: RunTrace | None = None
    #: Its share of the pool; None if its steps hold nothing.
    sharing: Sharing | None = None
    #: Asks for the run's place under its concurrency key; None if it needs none.
    turn: Callable[[], Awaitable[Standing]] | None = None
    #: In a test: the result of an attempt of a step that does not do its own work; UNSET, it does. StepError: it fails.
    #: Of steps that no runner does; `runners` are told by themselves.
    instead: Callable[[StepId, int], Json | UnsetType] = its_own_work
    #: Facts in one commit at most, and seconds until a commit at most.
    batch: int = 256
    window: float = 0.01
    #: Seconds that a commit may wait for more facts while nothing waits for it; longer where commits take long.
    linger: float = 0.005
    #: Seconds between looks at the requests of other processes.
    poll: float = 0.1
