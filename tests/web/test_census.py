"""Which way serves which client: the second request of each real one is recalled by its bytes."""

from collections import Counter
from typing import Any

import pytest

from tests.clients.recorded import Recorded, recorded
from tests.web.line import Line
from tests.web.requests import HOST, PLAIN, sent
from tests.web.rig import Rig


class Census:
    """A port that counts how its requests are answered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rig = Rig("acme")
        rig.broker.token("acme")
        self.line = Line(rig)
        self.ways: Counter[str] = Counter()
        port: Any = self.line.port
        self._count(monkeypatch, port.at_once, "recall", "recalled", tuple)
        self._count(monkeypatch, port.at_once, "answer", "read in the loop", tuple)
        self._count(monkeypatch, port, "work", "Flask", type(None))

    def _count(
        self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, way: str, counts: type
    ) -> None:
        call = getattr(owner, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            found = call(*arguments, **named)
            self.ways[way] += isinstance(found, counts)
            return found

        monkeypatch.setattr(owner, name, counted)

    def of(self, *pieces: bytes) -> list[str]:
        """Return the ways that answered these pieces, sent on a connection of their own."""
        self.ways.clear()
        self.line.once(*pieces)
        return sorted(self.ways.elements())


@pytest.fixture
def census(monkeypatch: pytest.MonkeyPatch) -> Census:
    """Begin one."""
    return Census(monkeypatch)


@pytest.mark.parametrize("client", recorded(), ids=lambda one: one.name)
def test_each_real_client_is_recalled(census: Census, client: Recorded) -> None:
    """In the pieces in which it sends, and in others; where a form ends chunks tell when read."""
    chunked = b"\r\nTransfer-Encoding: chunked\r\n" in client.whole
    assert census.of(*client.pieces) == ["read in the loop"]
    for pieces in (client.pieces, (client.whole,), client.pieces):
        assert census.of(*pieces) == ["read in the loop" if chunked else "recalled"]


@pytest.mark.parametrize(
    "request_",
    [
        sent("GET /token?min_ttl=1", (*HOST, PLAIN.decode().split("\r\n")[2])),
        sent("GET /token", HOST),
        sent("GET /health/live"),
        sent("GET /nowhere"),
    ],
)
def test_all_else_is_flasks(census: Census, request_: bytes) -> None:
    """However often it comes."""
    for _ in range(2):
        assert census.of(request_) == ["Flask"]
