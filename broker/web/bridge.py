"""From the event loop to a WSGI application: a bounded number of threads, and their answers.

Python runs one thread at a time. Under more load than it can serve, hundreds of threads would take
turns, and each request would last as long as all of them together; so only a few are let go at
once, and the rest wait in the order in which they came. What has not ended within a moment waits
for something else and does not count.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

from gunicorn import SERVER

from broker.web.answer import wire
from broker.web.malformed import MalformedRequests
from broker.web.reading import Sent

AT_ONCE = 8
"""Requests that are worked on at once, without those that have taken longer than ``MOMENT``."""
MOMENT = 0.005
"""Seconds; nearly every request takes less than a tenth of it."""


@lru_cache(maxsize=256)
def _variable(name: bytes) -> str:
    """Return the name of the WSGI variable for a header."""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


Work = Callable[[], object]


class Bridge:
    """Has threads, ``most`` of them or those of ``pool``, do what must not be done in the loop."""

    def __init__(
        self, most: int, loop: asyncio.AbstractEventLoop, pool: Executor | None = None
    ) -> None:
        self._pool = pool or ThreadPoolExecutor(most, "request")
        self._loop = loop
        self._waiting: deque[tuple[Work, Callable[[Any], None]]] = deque()
        self._begun: dict[object, float] = {}
        self._looking = False
        self._given = -MOMENT

    def give(self, work: Work, done: Callable[[Any], None]) -> None:
        """Do ``work``, which must not raise, on a thread; in the loop, tell ``done`` its result."""
        self._waiting.append((work, done))
        self._given = self._loop.time()
        self._let_go()

    def is_busy(self, now: float) -> bool:
        """Tell whether work was given a moment ago."""
        return now - self._given < MOMENT

    def close(self) -> None:
        """Take no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _let_go(self) -> None:
        now, begun = self._loop.time(), self._begun
        while begun and (oldest := next(iter(begun.items())))[1] < now - MOMENT:
            del begun[oldest[0]]
        while self._waiting and len(begun) < AT_ONCE:
            work, done = self._waiting.popleft()
            begun[work] = now
            self._pool.submit(self._work, work, done)
        if self._waiting and not self._looking:
            self._looking = True
            self._loop.call_later(MOMENT, self._look_again)

    def _look_again(self) -> None:
        self._looking = False
        self._let_go()

    def _work(self, work: Work, done: Callable[[Any], None]) -> None:
        result = work()
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._end, work, done, result)

    def _end(self, work: Work, done: Callable[[Any], None], result: object) -> None:
        self._begun.pop(work, None)
        done(result)
        self._let_go()


class Application:
    """A WSGI application, asked for whole answers; never raises."""

    def __init__(
        self, application: WSGIApplication, malformed: MalformedRequests, scheme: str, name: str
    ) -> None:
        self._application = application
        self._malformed = malformed
        self._base: WSGIEnvironment = {
            "wsgi.errors": sys.stderr,
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.url_scheme": scheme,
            "SERVER_SOFTWARE": SERVER,
            "SERVER_NAME": name,
            "SERVER_PORT": "443" if scheme == "https" else "80",
            "SCRIPT_NAME": "",
        }

    def answer(self, sent: Sent, remote: str, keeps: Callable[[], bool]) -> tuple[bytes, bool]:
        """Return the bytes of the answer, and whether the connection ends with it.

        ``keeps`` tells, once the answer is there, whether connections are kept.
        """
        try:
            status, headers, body = self._call(self.environ(sent, remote))
        except Exception as error:  # noqa: BLE001  # a defect of the framework's edge
            return self._malformed.refuse(error, remote), True
        close = sent.closes or not keeps()
        return wire(sent.version, status, headers, body, close=close), close

    def environ(self, sent: Sent, remote: str) -> WSGIEnvironment:
        """Return what WSGI says of a request; a name with an underscore could be another's."""
        environ = self._base | {
            "wsgi.input": BytesIO(sent.body),
            "REQUEST_METHOD": sent.method,
            "PATH_INFO": sent.path,
            "QUERY_STRING": sent.query,
            "RAW_URI": sent.target,
            "SERVER_PROTOCOL": f"HTTP/1.{sent.version[1]}",
            "REMOTE_ADDR": remote,
        }
        for name, value in sent.headers:
            if b"_" in name:
                continue
            key = _variable(name)
            text = value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ else text
        return environ

    def _call(self, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], bytes]:
        told: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
            del error
            told[:] = status, headers

        pieces = self._application(environ, start)
        try:
            body = b"".join(pieces)
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
        status, headers = told
        return status, headers, body
