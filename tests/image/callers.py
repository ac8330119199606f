"""Callers as they are in a cluster: some keep their connection, some open one for each request.

A load balancer takes a replica out before it is stopped: from then on nobody opens a connection to
it, while those that are open go on to be used.
"""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.integration.deployment import REQUEST_LIMIT

PAUSE = 0.02


@dataclass
class Callers:
    """What they got: a status for each request, or the name of the error that it ended with."""

    port: int
    key: str
    kept: list[int | str] = field(default_factory=list)
    fresh: list[int | str] = field(default_factory=list)
    told_to_close: int = 0
    taken_out: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)

    def keep(self) -> None:
        """Ask on one connection until the broker closes it; then open another, if one may."""
        while not self.taken_out.is_set():
            connection = self._open()
            while not self.gone.wait(PAUSE):
                answer = self._ask(connection, self.kept)
                if answer is None or answer.will_close:
                    self.told_to_close += answer is not None
                    break
            connection.close()

    def renew(self) -> None:
        """Ask on a new connection each time."""
        while not self.taken_out.wait(PAUSE):
            connection = self._open()
            self._ask(connection, self.fresh)
            connection.close()

    def _open(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_LIMIT)

    def _ask(
        self, connection: http.client.HTTPConnection, outcomes: list[int | str]
    ) -> http.client.HTTPResponse | None:
        try:
            connection.request("GET", "/token", headers={"Authorization": f"Bearer {self.key}"})
            with connection.getresponse() as answer:
                answer.read()
        except (OSError, http.client.HTTPException) as error:
            outcomes.append(type(error).__name__)
            return None
        outcomes.append(answer.status)
        return answer

    def take_out(self) -> None:
        """Let nobody open a connection from now on; wait until those that did are answered."""
        self.taken_out.set()
        time.sleep(0.5)


@contextmanager
def asking(port: int, key: str, each: int = 4) -> Iterator[Callers]:
    """Let as many callers of both kinds ask all the time while the block runs."""
    callers = Callers(port, key)
    does: list[Callable[[], None]] = [callers.keep, callers.renew]
    threads = [threading.Thread(target=do) for do in does * each]
    for thread in threads:
        thread.start()
    try:
        yield callers
    finally:
        callers.taken_out.set()
        callers.gone.set()
        for thread in threads:
            thread.join()
