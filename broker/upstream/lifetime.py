"""How long a token lives, by Canvas's own clock: durations only, the host's clock has no say.

"Now by Canvas" is read from the answer's ``Date`` header, which is cut to whole seconds and so
taken as the latest instant it can mean, and from the JWT's ``iat``, which the vendor's examples
show rounded up. Where both are there, the later one counts, which makes the life shorter. Expiries
are cut down to whole seconds.
"""

import base64
import binascii
import json
import math
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_SECOND = 1.0
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


def canvas_now(date: float | None, claims: Claims) -> float | None:
    """Return the latest instant, in Unix seconds, that it can have been when Canvas answered."""
    latest = None if date is None else date + _SECOND
    known = [instant for instant in (latest, claims.issued) if instant is not None]
    return max(known, default=None)


def access_lifetime(expires: float, claims: Claims, now: float) -> float:
    """Return the seconds that an access token lives from ``now``: the answer's word or the JWT's.

    The smaller of the two counts. Zero or less: it is dead.
    """
    ends = [expires] if claims.expires is None else [expires, claims.expires]
    return math.floor(min(ends)) - now


def refresh_lifetime(expires: float, now: float) -> float:
    """Return the seconds that a refresh token lives from ``now``; zero or less: it is dead."""
    return math.floor(expires) - now
