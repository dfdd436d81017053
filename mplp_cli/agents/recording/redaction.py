"""What is never written into a cassette: values of secrets, and what looks like a credential.

The same goes over what is asked in a replay, so that the keys agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from mplp_cli.workflow.agents import AgentDefinition, variables_in
from mplp_cli.workflow.masking import MASK, Masker
from mplp_cli.workflow.values import Json

#: Keys of maps whose text is a credential, in lower case and without `-` and `_`.
_SECRET_KEYS = frozenset(
    ("authorization", "proxyauthorization", "apikey", "xapikey", "token", "accesstoken", "refreshtoken")
)
#: Credentials as they stand in text; the first group stays.
_PATTERNS = (
    re.compile(
        r"""((?:\bauthorization|\bapi[_-]?key)\\?["']?\s*[:=]\s*\\?["']?(?:(?:bearer|basic|token)\s+)?+)"""
        r"""(?!\*\*\*)[^\s"'\\,;}]+""",
        re.IGNORECASE,
    ),
    re.compile(r"(\bbearer\s+)(?!\*\*\*)[A-Za-z0-9._~+/-]{6,}=*", re.IGNORECASE),
    re.compile(r"()\bsk-[A-Za-z0-9_-]{8,}"),
)


#: Names of variables that hold credentials, and how long these are at least.
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY|ACCESS_KEY|PRIVATE_KEY)(?:_|$)",
    re.IGNORECASE,
)
_SECRET_LENGTH = 12


def secrets_of(agents: Iterable[AgentDefinition], environ: Mapping[str, str]) -> dict[str, str]:
    """Credentials in the environment: variables that agents are sent with, and those that are called like one."""
    named = {
        name
        for agent in agents
        for name in (getattr(agent, "bearer_env", ""), *_variables(getattr(agent, "headers", {})))
    }
    return {
        name: value
        for name, value in environ.items()
        if name in named or (len(value) >= _SECRET_LENGTH and _SECRET_NAME.search(name))
    }


def _variables(headers: Mapping[str, str]) -> Iterator[str]:
    for text in headers.values():
        yield from variables_in(text)


class Redaction:
    """Takes secrets (name -> value) and credentials out of texts and values."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._masker = Masker(secrets or {})

    def text(self, text: str) -> str:
        """`text` with `***` in the place of every secret."""
        text = self._masker.text(text)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\1{MASK}", text)
        return text

    def value(self, value: Json) -> Json:
        """JSON with `***` in the place of every secret, in keys and numbers too."""
        return self._value(self._masker.value(value))

    def _value(self, value: Json) -> Json:
        match value:
            case str():
                return self.text(value)
            case dict():
                return {
                    self.text(key): MASK if is_secret(key, inner) else self._value(inner)
                    for key, inner in value.items()
                }
            case list() | tuple():
                return [self._value(inner) for inner in value]
            case _:
                return value


def is_secret(key: str, value: Json) -> bool:
    """Whether a map has a credential under that key."""
    named = key.lower().replace("-", "").replace("_", "") in _SECRET_KEYS
    return named and isinstance(value, str) and value not in ("", MASK)


def credentials_in(value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Where something stands that looks like a credential: the path to it, and what it looks like."""
    match value:
        case str():
            for pattern, what in zip(
                _PATTERNS, ("a credential", "a bearer token", "a key `sk-...`"), strict=True
            ):
                if pattern.search(value):
                    yield path, what
                    return
        case dict():
            for key, inner in value.items():
                at = f"{path}.{key}"
                if is_secret(key, inner):
                    yield at, f"a value of `{key}`"
                else:
                    yield from credentials_in(key, at)
                    yield from credentials_in(inner, at)
        case list():
            for index, inner in enumerate(value):
                yield from credentials_in(inner, f"{path}[{index}]")
        case _:
            pass
