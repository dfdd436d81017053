"""Signatures of webhooks, as Standard Webhooks (standardwebhooks.com) says. Pure.

What is signed is `ID.TIMESTAMP.BODY`, with HMAC-SHA256; the header holds `v1,BASE64`, several of them with a blank
between them while a secret is being replaced by the next.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
#: What a secret begins with whose rest is base64.
PREFIX: Final = "whsec_"
#: Seconds that a message may be old, or ahead of our clock.
TOLERANCE: Final = 300
_VERSION: Final = "v1,"
#: No full stop: it stands between what is signed, and would let an id end elsewhere than it was signed to.
_IDENTIFIER: Final = re.compile(r"[!-\-/-~]{1,256}")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")
#: The most signatures of one message that are looked at.
_SIGNATURES: Final = 16


def keys_of(*secrets: str) -> list[bytes]:
    """The keys of some secrets, in their order; each text may hold several, with blanks between them.

    `whsec_` and base64 stands for the bytes, other text for itself. ValueError, which does not tell the secret, if
    there is none or one is not base64.
    """
    keys = [_key(secret) for text in secrets for secret in text.split()]
    if not keys:
        raise ValueError("the secret is empty")
    return keys


def _key(secret: str) -> bytes:
    if not secret.startswith(PREFIX):
        return secret.encode("utf-8", "surrogateescape")
    text = secret.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError(f"what follows `{PREFIX}` in the secret is not base64")
    return key


def is_identifier(text: str) -> bool:
    """Whether a text can be the id of a message: visible ASCII without a full stop."""
    return bool(_IDENTIFIER.fullmatch(text))


def sign(keys: Sequence[bytes], identifier: str, timestamp: int, body: bytes) -> str:
    """The value of the header: a signature with each key. `timestamp` is in seconds since the epoch."""
    return " ".join(_VERSION + text for text in _signatures(keys, identifier, str(timestamp), body))


def verify(
    keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, *, now: int, tolerance: int = TOLERANCE
) -> str:
    """The id of a message that one of the keys has signed; ValueError says why it is not taken.

    `now` is in ms since the epoch, `tolerance` in seconds. The names of the headers count in any case.
    """
    identifier, seconds, signature = identified(headers)
    ahead = int(seconds) * 1000 - now
    if abs(ahead) > tolerance * 1000:
        raise ValueError(
            f"`{TIMESTAMP}` is too {'far ahead' if ahead > 0 else 'old'}: {tolerance} s are allowed"
        )
    signed = [one.encode() for one in _signatures(keys, identifier, seconds, body)]
    found = False
    for one in signature.split(" ")[:_SIGNATURES]:
        # As text: bytes that decode to the same would be another way to write the same signature.
        text = one.removeprefix(_VERSION).encode("utf-8", "replace") if one.startswith(_VERSION) else b""
        for wanted in signed:
            found |= hmac.compare_digest(wanted, text)
    if not found:
        raise ValueError("no signature fits")
    return identifier


def identified(headers: Mapping[str, str]) -> tuple[str, str, str]:
    """The id, the timestamp and the signatures that a message says it has, in any case of the names; ValueError if
    no message that is signed has such."""
    given = {name.lower(): value for name, value in headers.items()}
    for name in (ID, TIMESTAMP, SIGNATURE):
        if not given.get(name):
            raise ValueError(f"the header `{name}` is missing")
    if not is_identifier(given[ID]):
        raise ValueError(f"`{ID}` has visible ASCII characters other than a full stop, 256 at most")
    if not _SECONDS.fullmatch(given[TIMESTAMP]):
        raise ValueError(f"`{TIMESTAMP}` is not in seconds since 1970")
    return given[ID], given[TIMESTAMP], given[SIGNATURE]


def _signatures(keys: Sequence[bytes], identifier: str, timestamp: str, body: bytes) -> list[str]:
    content = f"{identifier}.{timestamp}.".encode() + body
    return [base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
