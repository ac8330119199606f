"""How long a token lives, by Canvas's own clock: durations only, the host's clock has no say.

"Now by Canvas" is read from the answer's ``Date`` header, which is cut to whole seconds and so
taken as the latest instant it can mean, and from the JWT's ``iat``, which the vendor's examples
show rounded up. Where both are there, the later one counts, which makes the life shorter. To an
answer from a cache its ``Age`` is added (RFC 9111, section 4.2.3, without the parts that need the
host's clock: lives count from the sending, so they include the delay). Expiries are cut down to
whole seconds.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_SECOND = 1.0
_OLDEST = 2**31
_DIGITS = re.compile(r"[0-9]+")
_LATEST = 253402300799  # the last second of the year 9999


@dataclass(frozen=True, slots=True)
class Claims:
    """When the JWT was issued and when it expires, in Canvas's Unix seconds, where it says so."""

    issued: float | None = None
    expires: float | None = None


def http_date(text: str | None) -> float | None:
    """Return the Unix seconds of an HTTP date, or None if there is none to read."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def latest_date(texts: Iterable[str]) -> str | None:
    """Return the latest of several HTTP dates, which makes lives shorter; None without one."""
    known = [text for text in texts if http_date(text) is not None]
    return max(known, key=lambda text: http_date(text) or 0.0, default=None)


def age_of(texts: Iterable[str]) -> int:
    """Return the largest of several ``Age`` headers in seconds; 0 where none can be read.

    Values beyond 2^31 count as that (RFC 9111, section 1.2.2).
    """
    words = (word.strip() for text in texts for word in text.split(","))
    known = (word.lstrip("0")[:11] or "0" for word in words if _DIGITS.fullmatch(word))
    return min(max(map(int, known), default=0), _OLDEST)


def read_claims(access_token: str) -> Claims:
    """Return what a JWT says of its times, unverified; nothing for what is not a readable JWT."""
    try:
        _, payload, _ = access_token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return Claims()
    if not isinstance(claims, dict):
        return Claims()
    return Claims(_instant(claims.get("iat")), _instant(claims.get("exp")))


def _instant(value: object) -> float | None:
    # NaN fails the comparison, too.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        return None
    return float(value)


def canvas_now(date: float | None, claims: Claims, age: int = 0) -> float | None:
    """Return the latest instant, in Unix seconds, that it can have been when the answer was given.

    ``age`` is for how many seconds it lay in a cache, cut to whole ones as ``date`` is.
    """
    latest = None if date is None else date + _SECOND
    known = [instant for instant in (latest, claims.issued) if instant is not None]
    return max(known) + (age + _SECOND if age else 0) if known else None


def access_lifetime(expires: float | None, claims: Claims, now: float) -> float | None:
    """Return the seconds that an access token lives from ``now``: the answer's word or the JWT's.

    The smaller of the two counts. Zero or less: it is dead. None: neither tells.
    """
    ends = [instant for instant in (expires, claims.expires) if instant is not None]
    return math.floor(min(ends)) - now if ends else None


def refresh_lifetime(expires: float, now: float) -> float:
    """Return the seconds that a refresh token lives from ``now``; zero or less: it is dead."""
    return math.floor(expires) - now
