"""What Canvas answers with: signed access tokens, and times in the vendor's form or others."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

PREFIX = "Bearer "
ISSUER = "http://canvastest.connectmyapps.com"
AUDIENCE = "cma-users"
_TICKS = 10_000_000
# The vendor names the claims only by meaning; these are the usual URIs of its platform.
_EMAIL = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
_USER_DATA = "http://schemas.microsoft.com/ws/2008/06/identity/claims/userdata"
_ROLE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"


@dataclass(frozen=True, slots=True)
class Answer:
    """A token pair as Canvas gives it; times are Unix seconds by the clock that Canvas shows.

    ``access_token`` is the bare JWT; only :meth:`document` puts the vendor's prefix before it.
    """

    access_token: str = field(repr=False)
    access_expires: float
    refresh_token: str = field(repr=False)
    refresh_expires: float

    def document(self, form: Callable[[float], str] | None = None) -> dict[str, str]:
        """Return the four fields of the JSON object, in the vendor's order.

        ``form`` writes the expiries, as :func:`timestamp` by default.
        """
        form = form or timestamp
        return {
            "access_token": PREFIX + self.access_token,
            "accessTokenExpiresDateTime": form(self.access_expires),
            "refresh_token": self.refresh_token,
            "refreshTokenExpiresDateTime": form(self.refresh_expires),
        }


class Utc(StrEnum):
    """How an instant says that it is in UTC."""

    OFFSET = "offset"
    Z = "z"


def timestamp(
    seconds: float, *, digits: int = 7, drop_zeros: bool = False, utc: Utc = Utc.OFFSET
) -> str:
    """Return Unix ``seconds`` as ISO 8601, cut to ``digits`` fractional digits."""
    whole, ticks = divmod(round(seconds * _TICKS), _TICKS)
    fraction = f"{ticks:07d}00"[:digits]
    fraction = fraction.rstrip("0") if drop_zeros else fraction
    day = f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}"
    return f"{day}{fraction and '.'}{fraction}{'Z' if utc is Utc.Z else '+00:00'}"


def whole_seconds(seconds: float) -> int:
    """Return ``seconds`` cut to whole ones, agreeing with :func:`timestamp` to the last digit."""
    return round(seconds * _TICKS) // _TICKS


def claims(jti: str, user: str, issued: float, expires: float) -> dict[str, object]:
    """Return the claims of an access token; ``jti`` and ``user`` are UUIDs."""
    return {
        "jti": jti,
        "iss": ISSUER,
        "iat": whole_seconds(issued),
        _EMAIL: "api@canvas.example",
        _USER_DATA: user,
        _ROLE: "Admin",
        "LoggedSupportedByCma": "True",
        "exp": whole_seconds(expires),
        "aud": AUDIENCE,
    }


def sign(content: Mapping[str, object], key: bytes) -> str:
    """Return ``content`` as a JWT signed with HS256."""
    header = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}, separators=(",", ":")).encode())
    payload = _encode(json.dumps(content, separators=(",", ":")).encode())
    signature = hmac.digest(key, f"{header}.{payload}".encode(), "sha256")
    return f"{header}.{payload}.{_encode(signature)}"


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
