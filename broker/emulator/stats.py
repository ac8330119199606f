"""Counters: what came in, what went out, how much at once, which refresh token how often."""

import threading
from collections import Counter
from enum import StrEnum

from broker.emulator.fingerprints import fingerprint


class Kind(StrEnum):
    """The calls that are counted apart."""

    AUTHENTICATE = "authenticate"
    REFRESH = "refresh"
    WHOAMI = "whoami"


class Ticket:
    """One call to Canvas, in flight until its answer is about to be complete or nobody waits."""

    def __init__(self, stats: "Stats", organization: str, presented: str | None) -> None:
        self._stats = stats
        self._presented = presented
        self._open = True
        self.organization = organization

    def answered(self, how: str) -> None:
        """Note the status of the answer, or "dropped"."""
        self._stats.note_answer(how)

    def end(self) -> None:
        """Leave the calls in flight; a second time changes nothing."""
        if self._open:
            self._open = False
            self._stats.note_end(self.organization)

    def abandoned(self) -> None:
        """Note that the caller hung up: to it, the refresh token may have been redeemed."""
        if self._open:
            self._stats.note_spent(self._presented)
        self.end()


class Stats:
    """The counters since the start or the last reset. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight: Counter[str] = Counter()
        self.reset()

    def begin(
        self,
        kind: Kind,
        organization: str,
        refresh_token: str | None = None,
        *,
        definite: bool = False,
    ) -> Ticket:
        """Count a call that came in; ``definite`` when its answer will say that it was refused."""
        name = None if refresh_token is None else fingerprint(refresh_token)
        with self._lock:
            self._calls[kind] += 1
            self._calls_of.setdefault(organization, Counter())[kind] += 1
            self._in_flight[organization] += 1
            self._raise_marks(organization)
            if name is not None:
                self._present(name)
                if not definite:
                    self._spent.add(name)
        return Ticket(self, organization, name)

    def whoami(self) -> None:
        """Count an access-token check."""
        with self._lock:
            self._calls[Kind.WHOAMI] += 1

    def note_answer(self, how: str) -> None:
        """Count an answer to Canvas's two calls."""
        with self._lock:
            self._answers[how] += 1

    def note_end(self, organization: str) -> None:
        """Take one call out of those in flight."""
        with self._lock:
            self._in_flight[organization] -= 1

    def note_spent(self, name: str | None) -> None:
        """From now on, presenting this refresh token is presenting it twice."""
        if name is not None:
            with self._lock:
                self._spent.add(name)

    def reset(self) -> None:
        """Begin again at zero; calls that are in flight stay so."""
        with self._lock:
            self._calls: Counter[Kind] = Counter()
            self._calls_of: dict[str, Counter[Kind]] = {}
            self._answers: Counter[str] = Counter()
            self._most_of: Counter[str] = Counter(self._in_flight)
            self._most = self._in_flight.total()
            self._presented: Counter[str] = Counter()
            self._spent: set[str] = set()
            self._twice: set[str] = set()

    def report(self) -> dict[str, object]:
        """Return all counters, ready to be shown as JSON."""
        with self._lock:
            names = sorted(set(self._calls_of) | set(+self._in_flight))
            return {
                "calls": {kind: self._calls[kind] for kind in Kind},
                "answers": dict(sorted(self._answers.items())),
                "in_flight": self._in_flight.total(),
                "most_in_flight": self._most,
                "organizations": {name: self._of(name) for name in names},
                "refresh_tokens": dict(self._presented),
                "presented_twice": len(self._twice),
            }

    def _of(self, organization: str) -> dict[str, int]:
        calls = self._calls_of.get(organization, Counter())
        return {
            "authenticate": calls[Kind.AUTHENTICATE],
            "refresh": calls[Kind.REFRESH],
            "in_flight": self._in_flight[organization],
            "most_in_flight": self._most_of[organization],
        }

    def _raise_marks(self, organization: str) -> None:
        self._most = max(self._most, self._in_flight.total())
        self._most_of[organization] = max(
            self._most_of[organization], self._in_flight[organization]
        )

    def _present(self, name: str) -> None:
        self._presented[name] += 1
        if name in self._spent:
            self._twice.add(name)
