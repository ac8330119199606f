"""How an attempt may fail: a fixed, small list of words, with what each means and what to do.

The words stand in logs, metrics and health; the page, ``broker check`` and ``/health`` say the
sentences.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from typing import Self

_ADDRESS = "check BROKER_CANVAS_URL, and what answers there"
_HOST = "this host is too slow or out of threads, give the pod more CPU"
_CANVAS = "Canvas has a trouble of its own, tell its vendor if it lasts"


class Explained(StrEnum):
    """A word; what it ``means`` and what to do about it go on within a sentence."""

    means: str
    advice: str

    def __new__(cls, word: str, means: str, advice: str = _CANVAS) -> Self:
        """Return the member."""
        made = str.__new__(cls, word)
        made._value_, made.means, made.advice = word, means, advice
        return made


@unique
class FailureKind(Explained):
    """What went wrong in one call to Canvas; the error's type gives its class."""

    # Definite: nothing was sent.
    DNS = (
        "dns",
        "the host name could not be resolved",
        "check name resolution, and the host name in BROKER_CANVAS_URL or BROKER_CANVAS_PROXY",
    )
    CONNECT = (
        "connect",
        "no connection: refused or unreachable",
        "open the network to it, correct BROKER_CANVAS_URL, or name a proxy by BROKER_CANVAS_PROXY",
    )
    CONNECT_TIMEOUT = (
        "connect_timeout",
        "no connection within BROKER_UPSTREAM_CONNECT_TIMEOUT",
        "look for a firewall that drops the packets, or name a proxy by BROKER_CANVAS_PROXY",
    )
    TLS = (
        "tls",
        "TLS failed, or the certificate is not trusted or is for another host",
        "check it; where a proxy looks into TLS, name its authority by BROKER_CANVAS_CA_FILE",
    )
    PROXY = (
        "proxy",
        "the proxy could not be used, or refused to connect to Canvas",
        "correct user and password in BROKER_CANVAS_PROXY, or have Canvas allowed there",
    )
    NO_THREAD = "no_thread", "this host would not start another thread", _HOST

    # Definite: Canvas did no work.
    THROTTLED = (
        "throttled",
        "Canvas asked for a pause",
        "try again later, and look who else uses these keys",
    )

    # Rejected.
    KEYS_REJECTED = (
        "keys_rejected",
        "Canvas refused the keys",
        "replace this organization's credentials, and do not try the same ones again",
    )
    REFRESH_TOKEN_UNKNOWN = (
        "refresh_token_unknown",
        "Canvas does not know the refresh token any more",
    )

    # Ambiguous: sent, and no answer that can be read.
    TIMEOUT = (
        "timeout",
        "no whole answer in time",
        "Canvas or the network is slow, check both; the limit is BROKER_UPSTREAM_TIMEOUT",
    )
    RESET = "reset", "the connection broke"
    CLOSED = "closed", "the connection was closed without an answer"
    TRUNCATED = "truncated", "the answer ended too early"
    OVERSIZE = "oversize", "the answer was too long", _ADDRESS
    ENCODING = (
        "encoding",
        "the answer was encoded in an unknown way",
        "look what compresses the answers between here and Canvas, and how",
    )
    PROTOCOL = (
        "protocol",
        "what came back is not HTTP",
        "correct scheme and port of BROKER_CANVAS_URL",
    )

    # Ambiguous: answered, but not with a token pair.
    UNREADABLE = "unreadable", "the answer was not JSON", _ADDRESS
    BAD_ANSWER = "bad_answer", "the answer held no usable token"
    NO_CLOCK = "no_clock", "the answer did not tell how long its tokens live"
    STATUS_404 = "status_404", "Canvas answered 404 to an authenticate", _ADDRESS
    STATUS_500 = "status_500", "Canvas answered 500"
    STATUS_502 = "status_502", "Canvas answered 502"
    STATUS_503 = "status_503", "Canvas answered 503, without a pause to keep"
    STATUS_504 = "status_504", "Canvas answered 504"
    STATUS_1XX = "status_1xx", "Canvas answered 1xx"
    STATUS_2XX = "status_2xx", "Canvas answered 2xx"
    STATUS_3XX = (
        "status_3xx",
        "Canvas answered 3xx",
        "check BROKER_CANVAS_URL, for redirects are not followed",
    )
    STATUS_4XX = "status_4xx", "Canvas answered 4xx"
    STATUS_5XX = "status_5xx", "Canvas answered 5xx"
    STATUS_OTHER = "status_other", "Canvas answered another status"

    # Ambiguous, with a refresh token that is good.
    BAD_ACCESS_TOKEN = "bad_access_token", "the access token was malformed"
    EXPIRED_ON_ARRIVAL = "expired_on_arrival", "the access token was dead when it came"


class PolicyKind(Explained):
    """What the policy itself calls a failure."""

    LEASE_TOO_SHORT = "lease_too_short", "this process was too slow to send anything", _HOST
    REPEATED_TOKEN = (
        "repeated_token",
        "a cache gave an old answer",
        "let it pass over BROKER_CANVAS_URL",
    )
    SHORT_LIFE = "short_life", "the token came with too little life"
    SUPERSEDED = (
        "superseded",
        "the record changed meanwhile",
        "another worker was quicker, or Redis lost the record",
    )
    HELD_BACK = (
        "held_back",
        "the broker holds its own calls back, for there were more than any good reason makes",
        "look who else writes to Redis, and in the log for why new tokens did not last",
    )
    CRASHED = "crashed", "a defect that the broker survived", "report it with its lines in the log"
    UNKNOWN = (
        "unknown",
        "a word in Redis that this version does not know",
        "another version of the broker, or somebody else, left it there",
    )


TABLE: Mapping[str, Explained] = {str(kind): kind for kind in (*FailureKind, *PolicyKind)}
OURS = frozenset(PolicyKind) - {"repeated_token", "short_life"} | {FailureKind.NO_THREAD}
"""Failures that say nothing of Canvas."""


def known_kind(word: str) -> str:
    """Return ``word`` if it is one of the list, else ``unknown``."""
    return word if word in TABLE else str(PolicyKind.UNKNOWN)


def status_kind(status: int) -> FailureKind:
    """Return the word for a status that is neither success nor a refusal Canvas documents."""
    for word in (f"status_{status}", f"status_{status // 100}xx"):
        if word in TABLE:
            return FailureKind(word)  # type: ignore[call-arg]  # a value is looked up
    return FailureKind.STATUS_OTHER
