"""Retry arithmetic and fallback choice: what becomes of a failed attempt. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from mplp_cli.errors import Failure
from mplp_cli.workflow.model import RetryPolicy
from mplp_cli.workflow.values import duration_ms

#: Errors of the machine's capacity, matched by the fallback condition `resource`.
_RESOURCE = frozenset({"InsufficientResourcesError", "OutputLimitError"})
#: Milliseconds that a server may ask for at most before it is asked again.
LONGEST_ASKED = 3_600_000
#: Words that may stand where an error's type may stand.
CONDITION_WORDS = ("timeout", "error", "resource", "any")


class Retry(Struct, frozen=True, gc=False):
    """An effective retry policy; delays in milliseconds."""

    max_retries: int = 0
    strategy: str = "exponential"
    initial_delay: int = 1_000
    max_delay: int = 60_000
    jitter: str = "none"
    retry_on: tuple[str, ...] | None = None

    def delay(self, k: int, fraction: float = 1.0) -> int:
        """Milliseconds before extra attempt number `k` (from 0); full jitter takes `fraction` of it."""
        if self.strategy == "fixed":
            raw = self.initial_delay
        elif self.strategy == "linear":
            raw = self.initial_delay * (k + 1)
        else:
            raw = self.initial_delay * 2 ** min(k, 40)
        capped = min(raw, self.max_delay)
        return round(capped * fraction) if self.jitter == "full" else capped

    def wait(self, failure: Failure, k: int, fraction: float = 1.0) -> int:
        """The delay after a failure: longer than the policy says if the server asked for more (`retryAfter`)."""
        asked = (failure.details or {}).get("retryAfter")
        own = self.delay(k, fraction)
        return max(own, min(asked, LONGEST_ASKED)) if isinstance(asked, int) else own

    def may_retry(self, failure: Failure, counted: int) -> bool:
        """Whether another attempt follows `counted` failed ones."""
        if not failure.retryable or counted > self.max_retries:
            return False
        return self.retry_on is None or any(matches(word, failure) for word in self.retry_on)


class Fallback(Struct, frozen=True):
    """One compiled fallback action. `message` and `value` are templates; `instead` is a step's number."""

    condition: str
    action: str
    message: Any = None
    approvers: tuple[str, ...] = ()
    timeout: int = 0
    value: Any | UnsetType = UNSET
    instead: int = -1


NO_RETRY = Retry()


def matches(condition: str, failure: Failure) -> bool:
    """Whether a fallback or `retry-on` condition fits. `error` is any failure but a timeout or a lack of resources."""
    if condition == "any":
        return True
    if condition == "timeout":
        return failure.type == "StepTimeoutError"
    if condition == "resource":
        return failure.type in _RESOURCE
    if condition == "error":
        return failure.type != "StepTimeoutError" and failure.type not in _RESOURCE
    return failure.type == condition


def fallback_for(fallbacks: tuple[Fallback, ...], failure: Failure) -> Fallback | None:
    """The first action, in file order, whose condition fits. A person's no is not asked again."""
    said_no = failure.type == "RejectedError"
    for fallback in fallbacks:
        if matches(fallback.condition, failure) and not (said_no and fallback.action == "escalate-to-human"):
            return fallback
    return None


def effective(*policies: RetryPolicy | None) -> Retry:
    """Policies from the innermost out, key by key."""
    stated = [p for p in policies if p is not None]
    if not stated:
        return NO_RETRY

    def first(name: str, default: Any) -> Any:
        return next((v for p in stated if (v := getattr(p, name)) is not None), default)

    retry_on = first("retry_on", None)
    return Retry(
        max_retries=first("max_retries", 0),
        strategy=first("backoff_strategy", "exponential"),
        initial_delay=duration_ms(first("initial_delay", 1_000)),
        max_delay=duration_ms(first("max_delay", 60_000)),
        jitter=first("jitter", "none"),
        retry_on=None if retry_on is None else tuple(retry_on),
    )


def asked_wait(text: str, now: int) -> int | None:
    """`Retry-After` (seconds or a date) as milliseconds from now."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text[:12]) * 1000
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0, round(parsedate_to_datetime(text).timestamp() * 1000) - now)
    except (ValueError, OverflowError):
        return None


def longest_ms(retry: Retry, timeout: int) -> int | None:
    """The longest that all attempts and waits can take; None without a timeout."""
    if not timeout:
        return None
    return timeout * (retry.max_retries + 1) + sum(retry.delay(k) for k in range(retry.max_retries))
