"""What the audit says of one request for a token."""

from dataclasses import dataclass
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii

SERVED = "served"


@dataclass(slots=True)
class AuditEntry:
    """One request for a token: who asked, from where, for what, and what became of it.

    Filled in while the request is worked on: ``caller`` and ``organization`` are None as long as
    they are not known to the broker, so that nothing a guesser sent is repeated. ``outcome`` is
    ``served`` or an error code. It has no field that could hold a key or a token.
    """

    request_id: str
    remote: str
    caller: str | None = None
    organization: str | None = None
    generation: int | None = None
    state: str | None = None
    outcome: str = SERVED

    def line(self, now: str) -> bytes:
        """Return the entry as one line of JSON; ``now`` is a :func:`timestamp`."""
        event = "token.served" if self.outcome == SERVED else "token.refused"
        return (
            f'{{"log":"audit","time":"{now}","event":"{event}",'
            f'"request_id":{_quoted(self.request_id)},"caller":{_quoted(self.caller)},'
            f'"organization":{_quoted(self.organization)},'
            f'"generation":{"null" if self.generation is None else f"{self.generation:d}"},'
            f'"outcome":{_quoted(self.outcome)},"remote":{_quoted(self.remote)},'
            f'"state":{_quoted(self.state)}}}\n'
        ).encode()


def _quoted(text: str | None) -> str:
    return "null" if text is None else encode_basestring_ascii(text)


def timestamp(unix_time: float) -> str:
    """Return an instant in UTC to the millisecond (RFC 3339)."""
    instant = datetime.fromtimestamp(unix_time, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
