"""A bounded load of callers, run in a pod of its own by the Python of the broker's image.

``python caller.py PLAN`` with a plan as JSON: the URL's parts, the authority, a limit in seconds,
and groups of callers: how many, how long each pauses, with which credential's file, and whether it
keeps its connection. It pauses while the last line of standard input is ``pause``, and ends when
that input does. Each failure is a line of JSON as it
happens, each second the number of requests so far, and at the end a summary.

Nothing is tried a second time. Before it is used again, an idle connection is looked at as
urllib3's pool does: one that the other side has closed is left, and does not count as a failure.
"""

import collections
import errno
import http.client
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import is_connection_dropped

TIMEOUT_S = 10.0
OK = 200
PAUSE = "pause\n"


class Tally:
    """What all callers have seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.took: dict[str, list[float]] = collections.defaultdict(list)
        self.left = 0
        self.told_to_close = 0
        self.tokens: collections.Counter[str] = collections.Counter()

    def answered(self, group: str, took: float, token: str) -> None:
        """Count one answer with a token."""
        with self._lock:
            self.requests += 1
            self.took[group].append(took)
            self.tokens[token[-6:]] += 1

    def failed(self, failure: dict[str, Any]) -> None:
        """Count one failure, and tell of it."""
        with self._lock:
            self.requests += 1
            self.took[failure["group"]].append(failure["took"])
            say({"failure": failure})

    def connection_left(self) -> None:
        """Count one idle connection that the other side had closed."""
        with self._lock:
            self.left += 1

    def connection_closed(self) -> None:
        """Count one kept connection whose last answer said that it is closed."""
        with self._lock:
            self.told_to_close += 1

    def summary(self) -> dict[str, Any]:
        """Return all of it."""
        with self._lock:
            took = sorted(itertools.chain.from_iterable(self.took.values()))
            return {
                "requests": self.requests,
                "by_group": {group: len(one) for group, one in self.took.items()},
                "slowest": took[-1] if took else 0.0,
                "median": took[len(took) // 2] if took else 0.0,
                "left": self.left,
                "told_to_close": self.told_to_close,
                "tokens": len(self.tokens),
            }


class Caller(threading.Thread):
    """One caller of a group: a request, a pause, and so on."""

    def __init__(self, plan: dict[str, Any], group: dict[str, Any], first: float) -> None:
        super().__init__(daemon=True)
        self._plan = plan
        self._group = group
        self._first = first
        names = group["organizations"]
        start = int(first * 1000) % len(names)
        self._organizations = itertools.cycle(names[start:] + names[:start])
        self._connection: HTTPSConnection | None = None
        self._last = 0.0

    def run(self) -> None:
        """Ask until told to end."""
        time.sleep(self._first)
        while ASKING.wait() and not ENDED.is_set():
            began = time.monotonic()
            self._ask(began)
            ENDED.wait(max(0.0, self._group["pause"] - (time.monotonic() - began)))

    def _ask(self, began: float) -> None:
        at, phase = time.time(), "connect"
        connection = self._usable()
        idle = round(began - self._last, 3) if connection.sock is not None else None
        try:
            if connection.sock is None:
                connection.connect()
            phase = "request"
            credential = Path(self._group["credential"]).read_text("utf-8").strip()
            headers = {"Authorization": f"Bearer {credential}"}
            path = f"/token?organization={next(self._organizations)}"
            connection.request("GET", path, headers=headers)
            phase = "response"
            response = connection.getresponse()
            body = response.data
        except (HTTPError, OSError, http.client.HTTPException) as error:
            self._close()
            self._failed(at, began, phase, idle, kind_of(error))
            return
        self._last = time.monotonic()
        self._read(at, began, idle, response.status, body)
        if response.headers.get("Connection", "").lower() == "close":
            if self._group["keep"]:
                TALLY.connection_closed()
            self._close()

    def _read(self, at: float, began: float, idle: float | None, status: int, body: bytes) -> None:
        if status == OK:
            token = json.loads(body)["access_token"]
            TALLY.answered(self._group["name"], time.monotonic() - began, token)
        else:
            self._failed(at, began, "answer", idle, f"{status} {code_of(body)}")

    def _failed(self, at: float, began: float, phase: str, idle: float | None, kind: str) -> None:
        took = round(time.monotonic() - began, 3)
        failure = {"at": at, "took": took, "group": self._group["name"], "phase": phase}
        TALLY.failed(failure | {"idle": idle, "kind": kind})

    def _usable(self) -> HTTPSConnection:
        kept = self._connection
        if kept is not None and self._group["keep"]:
            if not is_connection_dropped(kept):
                return kept
            TALLY.connection_left()
        self._close()
        plan = self._plan
        self._connection = HTTPSConnection(
            plan["host"], plan["port"], ca_certs=plan["ca"], timeout=TIMEOUT_S
        )
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def kind_of(error: BaseException) -> str:
    """Return the name of what went wrong: the system's where there is one."""
    seen: BaseException | None = error
    while seen is not None:
        number = getattr(seen, "errno", None)
        if isinstance(number, int) and number in errno.errorcode:
            return errno.errorcode[number]
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__


def code_of(body: bytes) -> str:
    """Return the code in the body of an error."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return "without a code"


def say(line: dict[str, Any]) -> None:
    """Write a line at once."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def obey(lines: Iterable[str]) -> None:
    """Pause and go on as each line says; end with the last one."""
    for line in lines:
        if line == PAUSE:
            ASKING.clear()
        else:
            ASKING.set()
    ENDED.set()
    ASKING.set()


def main() -> None:
    """Call until told to end."""
    plan = json.loads(sys.argv[1])
    callers = []
    for group in plan["groups"]:
        spread = group["pause"] / group["callers"]
        callers += [Caller(plan, group, spread * n) for n in range(group["callers"])]
    ASKING.set()
    threading.Thread(target=obey, args=(sys.stdin,), daemon=True).start()
    for one in callers:
        one.start()
    until = time.monotonic() + plan["limit"]
    while not ENDED.wait(1.0) and time.monotonic() < until:
        say({"progress": TALLY.requests})
    ENDED.set()
    for one in callers:
        one.join(TIMEOUT_S * 2)
    say({"summary": TALLY.summary()})


ASKING = threading.Event()
ENDED = threading.Event()
TALLY = Tally()

if __name__ == "__main__":
    main()
