"""What requests were answered before, byte for byte, and what had been found out about them.

A client sends the same bytes at each request but for a few headers that change with each, such as
``X-Request-ID``. What the others prove depends on nothing but the callers in force, which
organizations there are and, for a service-account token, the cluster's keys and the time.

The bytes are kept under a digest that is keyed with a secret of the process, so that no key is kept
and nobody outside can tell which bytes would meet.
"""

import re
import secrets
from hashlib import blake2b
from typing import NamedTuple

from broker.web.desk import Met
from broker.web.reading import MOST_HEADERS

MOST = 10_000
"""Heads that are kept, a quarter of a kilobyte each."""
END = b"\r\n\r\n"
METHODS = (b"GET /token", b"POST /token")
"""How those begin that may be kept."""
_CHANGING = re.compile(
    rb"\r\n(?:x-(?:request-id|correlation-id|b3-[a-z]+|envoy-[a-z-]+|amzn-trace-id"
    rb"|cloud-trace-context|datadog-[a-z-]+|ot-span-context|client-trace-id)"
    rb"|trace(?:parent|state)|baggage|b3|uber-trace-id|sentry-trace|elastic-apm-traceparent)"
    rb":[\t\x20-\x7e\x80-\xff]*(?=\r\n)",
    re.IGNORECASE,
)
_REQUEST_ID = re.compile(rb"\r\nx-request-id:[\t ]*([^\r\n]*?)[\t ]*(?=\r\n)", re.IGNORECASE)
_TRACE = re.compile(rb"\r\ntraceparent:[\t ]*([^\r\n]*?)[\t ]*(?=\r\n)", re.IGNORECASE)


class Known(NamedTuple):
    """What was found out about a request.

    ``lines`` are its headers. ``form`` is how many bytes of a form follow that belong to what is
    looked up: who asks is known only by them.
    """

    met: Met | None
    method: str
    lines: int
    closes: bool = False
    version: tuple[int, int] = (1, 1)
    form: int = 0


class Heads:
    """The requests that one process answered; forgotten when what they rest on is replaced.

    Only what was served is kept, so strangers cannot fill it. Whoever asks in many ways makes room
    by its own oldest ones.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._keyed = blake2b(digest_size=16, key=secrets.token_bytes(32))
        self._basis: tuple[object, object] = None, None
        self._kept: dict[bytes, Known] = {}
        self._callers: dict[str, list[bytes]] = {}  # each one's, the oldest first

    def under(self, callers: object, organizations: object) -> None:
        """Forget all, unless it was kept under these."""
        before = self._basis
        if before[0] is not callers or before[1] is not organizations:
            self._basis = callers, organizations
            self._kept, self._callers = {}, {}

    def find(self, head: bytes, form: bytes = b"") -> Known | None:
        """Return what is known of a request whose bytes these are."""
        digest = self._keyed.copy()
        digest.update(head)
        if form:
            digest.update(form)
        return self._kept.get(digest.digest())

    def find_changing(self, head: bytes) -> tuple[Known | None, bytes, str | None]:
        """Return what is known of a head without what changes with each request.

        And what it is looked up by, and the id that it was sent with. Nothing is known of one that
        has more than one id, or more headers than may be.
        """
        cut, changing = without_changing(head)
        known = self.find(cut) if changing else None
        if known is None:
            return None, cut, None
        ids = _REQUEST_ID.findall(head)
        if len(ids) > 1 or known.lines + changing > MOST_HEADERS:
            return None, cut, None
        return known, cut, ids[0].decode("latin-1") if ids else None

    def keep(self, caller: str, known: Known, head: bytes, form: bytes = b"") -> None:
        """Keep what is known of a request of ``caller``."""
        keyed = self._keyed.copy()
        keyed.update(head + form)
        digest, own = keyed.digest(), self._callers.setdefault(caller, [])
        if digest not in self._kept:
            if len(self._kept) >= self._most:
                self._make_room(own)
            own.append(digest)
        self._kept[digest] = known

    def __len__(self) -> int:
        return len(self._kept)

    def _make_room(self, own: list[bytes]) -> None:
        """Forget the oldest of this caller's, or of who has most, if this one has its share."""
        share = self._most / len(self._callers)
        most = own if len(own) >= share else max(self._callers.values(), key=len)
        del self._kept[most.pop(0)]


def without_changing(head: bytes) -> tuple[bytes, int]:
    """Return a head without what changes with each request, and how many headers that were."""
    return _CHANGING.subn(b"", head)


def traceparent(head: bytes) -> str | None:
    """Return the value of ``traceparent`` in a head; several as WSGI joins them."""
    return b",".join(_TRACE.findall(head)).decode("latin-1") or None
