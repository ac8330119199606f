"""Which way serves which client: nearly all that is asked again is neither parsed nor waits."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from tests.clients.recorded import KEY, Recorded, recorded
from tests.web.accounts import Accounts
from tests.web.line import HeldPool, Line
from tests.web.rig import Rig

REMEMBERED, READ, THREAD = "remembered", "read in the loop", "given to a thread"
IN_CHUNKS = {"node http POST"}
"""How long its form is nobody knows before its end: it is read each time."""
EVERY = {one.name: one for one in recorded()}


class Census:
    """Counts which way each request went."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._pool = HeldPool()
        rig = Rig("acme", service_accounts=Accounts())
        rig.broker.token("acme")
        self._line = Line(rig, pool=self._pool)
        at_once: Any = self._line.port.at_once
        self._wrap(
            at_once, "recall", lambda found: REMEMBERED if isinstance(found, tuple) else None
        )
        self._wrap(at_once, "answer", lambda found: READ if found is not None else None)
        self._wrap(self._line.port, "work", lambda _: THREAD)

    def _wrap(self, owner: Any, name: str, way_of: Any) -> None:
        original = getattr(owner, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            found = original(*arguments, **named)
            if (way := way_of(found)) is not None:
                self.counts[way] += 1
            return found

        setattr(owner, name, wrapped)

    def way(self, pieces: Sequence[bytes]) -> str:
        """Return the way that a request goes."""
        self.counts.clear()
        client = self._line.connect()
        client.send(*pieces)
        while self._pool.held:
            self._pool.let_go()
        ((way, count),) = self.counts.items()
        assert count == 1
        return way


@pytest.mark.parametrize("name", EVERY)
def test_who_asks_again_is_remembered(name: str) -> None:
    """As it sends its pieces, and at once. A head that comes in pieces is read."""
    one, census = EVERY[name], Census()
    first, *again = (census.way(pieces) for pieces in (one.pieces, [one.whole], one.pieces))
    wanted = (READ, READ) if name in IN_CHUNKS else (READ, REMEMBERED)
    assert (first, *set(again)) == wanted


@pytest.mark.parametrize("name", [name for name in EVERY if name.endswith("GET")])
def test_service_accounts_are_verified_once(name: str) -> None:
    """By a thread; then they are as quick as keys."""
    token, census = b"token-of/shop:pod", Census()
    pieces = [piece.replace(KEY.encode(), token) for piece in EVERY[name].pieces]
    ways = [census.way(pieces) for _ in range(4)]
    assert ways == [THREAD, READ, REMEMBERED, REMEMBERED]


def test_clients_that_were_recorded() -> None:
    """Those that the documentation names, each with a GET or a POST at least."""
    clients = {name.rpartition(" ")[0] for name in EVERY}
    wanted = {"requests", "httpx", "go", "node fetch", "node http", "curl", "java", "lwp"}
    assert wanted <= clients
    assert all(isinstance(one, Recorded) for one in EVERY.values())
