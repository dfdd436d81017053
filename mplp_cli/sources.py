"""What a command reads before anything runs: workflow files, bundled workflows, NAME=value files, secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mplp_cli.errors import InputError, UsageError

if TYPE_CHECKING:
    from mplp_cli.workflow.plan import Plan

#: Characters of the shortest secret that can be masked without masking ordinary words.
SHORTEST_SECRET = 4


@dataclass(frozen=True, slots=True)
class Source:
    """A workflow's text and where it came from; `directory` is what its relative paths start from.

    `included` has the files that it includes by absolute path; None: they are read from the disk.
    """

    name: str
    text: bytes
    directory: Path
    included: Mapping[str, bytes] | None = None


def read_source(name: str, stdin: Any = None) -> Source:
    """The workflow called `name`: a file, `-` for standard input, or `example:NAME` for a bundled one."""
    if name == "-":
        text = stdin.read() if stdin is not None else b""
        return Source("<stdin>", text, Path.cwd())
    path = example_path(name.removeprefix("example:")) if name.startswith("example:") else Path(name)
    try:
        text = path.read_bytes()
    except IsADirectoryError:
        raise UsageError(f"{name} is a directory", hint="name a file") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"cannot read {name}: {reason}", hint=_similar_file(path)) from None
    return Source(name, text, path.absolute().parent)


def examples() -> list[Path]:
    """The bundled workflows, by name."""
    from mplp_cli.bundled import bundled

    return sorted(p for p in bundled("workflows").iterdir() if p.suffix in (".yaml", ".json"))


def example_path(name: str) -> Path:
    """The file of a bundled workflow; UsageError if there is none of that name."""
    from mplp_cli.workflow.suggest import did_you_mean

    known = {p.name: p for p in examples()} | {p.stem: p for p in reversed(examples())}
    if name not in known:
        hint = did_you_mean(name, known) or "`mplp examples` lists them"
        raise UsageError(f"there is no bundled workflow {name!r}", hint=hint)
    return known[name]


def _similar_file(path: Path) -> str | None:
    from mplp_cli.workflow.suggest import did_you_mean

    try:
        return did_you_mean(path.name, (p.name for p in path.absolute().parent.iterdir()))
    except OSError:
        return None


def read_dotenv(path: str) -> dict[str, str]:
    """NAME=value lines of a dotenv file; UsageError if it cannot be read."""
    from dotenv import dotenv_values

    if not Path(path).is_file():
        raise UsageError(f"cannot read {path}: no such file")
    return {name: value or "" for name, value in dotenv_values(path, interpolate=False).items()}


def read_secrets(
    names: Sequence[str], environ: Mapping[str, str], secrets_file: str | None
) -> dict[str, str]:
    """Declared secrets, from the environment, then from the file (dotenv). InputError names what is missing."""
    if not names:
        return {}
    given = read_dotenv(secrets_file) if secrets_file else {}
    found = {name: environ.get(name) or given.get(name) or "" for name in names}
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise InputError(
            f"missing secrets: {', '.join(missing)}",
            hint="set them in the environment, or name a file with `--secrets-file`",
            details={"missing": missing},
        )
    short = [name for name, value in found.items() if len(value) < SHORTEST_SECRET]
    if short:
        raise InputError(
            f"secrets shorter than {SHORTEST_SECRET} characters cannot be masked: {', '.join(short)}",
            details={"short": short},
        )
    return found


def secrets_to_end(plan: Plan, environ: Mapping[str, str], secrets_file: str | None) -> dict[str, str]:
    """The secrets of a run that is only cancelled: missing ones are an error if a final step may be handed one."""
    import msgspec

    try:
        return read_secrets(plan.secrets, environ, secrets_file)
    except InputError:
        for one in (plan, *(found.plan for found in plan.every_included())):
            final = one.workflow.finally_
            if final and (one.secret_env or b"secrets" in msgspec.json.encode(final)):
                raise
        return {}
