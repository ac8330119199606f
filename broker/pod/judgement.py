"""How an organization is doing, in a word and a sentence: what is wrong, and what to do."""

from enum import StrEnum
from typing import NamedTuple

from broker.failure_kinds import TABLE, Explained, PolicyKind
from broker.policy.health import OrganizationHealth
from broker.store_faults import read_reason
from broker.tokens import Flaw, State

LARGEST_SKEW = 30.0
"""Seconds between this host's clock and Canvas's from which on health warns."""
LONGEST_OVERDUE = 75.0
"""Seconds within which a due token is there while Canvas and Redis are well (invariant 9)."""


_MINUTES_FROM = 120.0
"""Seconds that are told in minutes."""


class Status(StrEnum):
    """The three words of the health format, in order of concern."""

    PASS = "pass"  # noqa: S105  # a word of the format, no password
    WARN = "warn"
    FAIL = "fail"


class Verdict(NamedTuple):
    """How something is doing, and a plain sentence for people."""

    status: Status
    sentence: str


def judge(health: OrganizationHealth) -> Verdict:
    """Return how an organization is doing."""
    empty = health.state is State.EMPTY
    hindrance = hindrance_of(health)
    if hindrance is not None:
        if health.refusing:
            hindrance += _REFUSED if empty else _REFUSED_BY_SOME
        return Verdict(Status.FAIL if empty else Status.WARN, hindrance)
    if empty and health.refusing:
        return _judge_refusing(health)
    blemish = _blemish(health)
    if blemish is not None:
        return Verdict(Status.WARN, blemish)
    if empty:
        return _NONE_NOW
    return _VALID


_VALID = Verdict(Status.PASS, "A valid token is there.")
_NONE_NOW = Verdict(Status.PASS, "There is no token now; the next request gets one.")
_REFUSED = " Requests are refused meanwhile."
_REFUSED_BY_SOME = " Workers without a token refuse requests meanwhile."


def _judge_refusing(health: OrganizationHealth) -> Verdict:
    """Return how one is doing whose callers get no token, though nothing is known to hinder it."""
    return Verdict(
        Status.FAIL if health.overdue > LONGEST_OVERDUE else Status.WARN,
        f"Requests are refused: there is no token, and one has been due for {health.overdue:.0f} "
        "s. Canvas may be slow, or another process may hold the lease: look in the log.",
    )


def hindrance_of(health: OrganizationHealth) -> str | None:
    """Return what keeps the broker from getting a new token and what to do, if anything does."""
    if health.latched:
        return (
            f"Canvas refuses the keys and is asked again {_when(health.next_attempt_in)}: replace "
            "this organization's credentials, or, if they are right, write their files anew (keys "
            "from the environment: restart) to have them tried at once."
        )
    if health.store_fault is not None:
        reason = read_reason(health.store_fault)
        return f"{reason.sentence} The token cannot be refreshed. {reason.remedy()}"
    if health.failures:
        failure = explained(health)
        return (
            f"The last refresh failed ({health.last_error}: {failure.means}) and is tried again: "
            f"{failure.advice}."
        )
    return None


def _when(seconds: float | None) -> str:
    if not seconds:
        return "now"
    return f"in {seconds:.0f} s" if seconds < _MINUTES_FROM else f"in {seconds / 60:.0f} min"


def explained(health: OrganizationHealth) -> Explained:
    """Return what the last failure means, and what to do."""
    return TABLE.get(health.last_error or "", PolicyKind.UNKNOWN)


def _blemish(health: OrganizationHealth) -> str | None:
    """Return what is wrong and does not keep the broker from refreshing."""
    if not health.landed:
        return (
            "The newest token is not in Redis yet, its commit is repeated: check that Redis takes "
            "writes."
        )
    if health.skew is not None and abs(health.skew) > LARGEST_SKEW:
        return (
            f"This host's clock and Canvas's differ by {abs(health.skew):.0f} s: check this host's "
            "time synchronization, then Canvas's."
        )
    if health.overdue > LONGEST_OVERDUE:
        return (
            f"A new token has been due for {health.overdue:.0f} s: look in the log for what keeps "
            "the refresher."
        )
    if health.damaged is not None:
        return _DAMAGED
    if health.flaws:
        return _flawed(health.flaws)
    return None


_DAMAGED = (
    "Redis held what no broker writes, and it was removed: look for store.damaged in the log, and "
    "find out who else writes to the broker's keys."
)


def _flawed(flaws: tuple[str, ...]) -> str:
    if Flaw.FROM_CACHE in flaws:
        found, advice = "came from a cache", "let what stands before Canvas cache none of it"
    else:
        found, advice = "is not as documented", "tell Canvas's vendor"
    return (
        f"The answer with the last token {found} ({', '.join(flaws)}), the token itself was good: "
        f"{advice}."
    )
