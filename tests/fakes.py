"""Stand-ins for what the policy speaks to: a clock, a runtime, a Canvas, an observer.

They hold no rules of their own: the record store that goes with them is
:mod:`tests.memory_store.server`, which passes the same contract as Redis.
"""

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from broker.credentials import Credentials
from broker.errors import UpstreamError
from broker.observer import (
    AnswerFlawed,
    CallFailed,
    CallSucceeded,
    Crashed,
    Event,
    FeedDown,
    FeedUp,
    HeldBack,
    LeaseHeld,
    StoreDamaged,
    StoreFailed,
    StoreRecovered,
    TokenCommitted,
    TokenReported,
    WaitRefused,
)
from broker.secret import Secret
from broker.tokens import Flaw, Kind, RefreshToken, TokenPair

START = 1_800_000_000.0


def credentials(digit: str = "a") -> Credentials:
    """Return made-up credentials; another digit gives another version."""
    return Credentials(Secret(digit * 64), Secret(f"00000000-0000-4000-8000-{digit * 12}"))


class FakeClock:
    """A clock that moves when it is told to, or when somebody sleeps."""

    def __init__(self) -> None:
        self.elapsed = 1000.0
        self.host_error = 0.0
        self.redis_error = 0.0
        self._plans: list[tuple[float, Callable[[], object]]] = []

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Run ``action`` once ``seconds`` have passed, in the middle of whoever sleeps then."""
        self._plans.append((self.elapsed + seconds, action))

    def monotonic(self) -> float:
        """Return the seconds passed."""
        return self.elapsed

    def wall(self) -> float:
        """Return the host's idea of Unix time, which may be wrong."""
        return START + self.elapsed + self.host_error

    def redis(self) -> float:
        """Return Redis's Unix time."""
        return START + self.elapsed + self.redis_error

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        until = self.elapsed + seconds
        while due := [plan for plan in self._plans if plan[0] <= until]:
            plan = min(due, key=lambda plan: plan[0])
            self._plans.remove(plan)
            self.elapsed = max(self.elapsed, plan[0])
            plan[1]()
        self.elapsed = max(self.elapsed, until)


class FakeRuntime:
    """Runs spawned work at once on this thread, or later where ``hold`` says so.

    With a ``clock``, waiting for a signal lets time pass on it. ``name`` begins the attempt ids.
    """

    def __init__(self, clock: FakeClock | None = None, name: str = "attempt") -> None:
        self.clock = clock
        self.name = name
        self.hold = False
        self.held: list[Callable[[], None]] = []
        self.chance = 0.5
        self._ids = itertools.count(1)

    def spawn(self, work: Callable[[], None]) -> None:
        """Run or keep ``work``."""
        if self.hold:
            self.held.append(work)
        else:
            work()

    def spawn_sweep(self, work: Callable[[], None]) -> None:
        """Do the same."""
        self.spawn(work)

    def release(self) -> None:
        """Run what was kept."""
        held, self.held = self.held, []
        for work in held:
            work()

    def signal(self) -> threading.Event:
        """Return an event; waiting for one that is not set does not block."""
        return _Impatient(self.clock)

    def random(self) -> float:
        """Return what the test chose."""
        return self.chance

    def attempt_id(self) -> str:
        """Return attempt-1, attempt-2 and so on."""
        return f"{self.name}-{next(self._ids)}"


class _Impatient(threading.Event):
    def __init__(self, clock: FakeClock | None) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        """Tell whether it is set, without waiting or after fake time."""
        if self._clock is not None:
            until = self._clock.monotonic() + (timeout or 0.0)
            while not self.is_set() and (left := until - self._clock.monotonic()) > 0:
                self._clock.sleep(min(left, 0.1))
        return self.is_set()


@dataclass
class FakeCanvas:
    """Answers with tokens that count its good answers, or with the errors that a test queued.

    With ``repeats`` a good answer is the last one once more, as if it were new; ``replayed``
    gives the number of another one that is given instead.
    """

    clock: FakeClock
    lifetime: float = 600.0
    refresh_lifetime: float = 86400.0
    latency: float = 0.1
    errors: list[UpstreamError | None] = field(default_factory=list)
    calls: list[Kind] = field(default_factory=list)
    presented: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    before_answer: Callable[[], object] = lambda: None
    gives_refresh_tokens: bool = True
    repeats: bool = False
    replayed: int | None = None
    flaws: frozenset[Flaw] = frozenset()
    answers: int = 0

    def authenticate(self, credentials: Credentials) -> TokenPair:
        """Answer an Authenticate."""
        self.versions.append(credentials.version)
        return self._answer(Kind.AUTHENTICATE)

    def refresh(self, credentials: Credentials, refresh_token: Secret) -> TokenPair:
        """Answer a refresh, and note which refresh token was presented."""
        self.versions.append(credentials.version)
        self.presented.append(refresh_token.reveal())
        return self._answer(Kind.REFRESH)

    def _answer(self, kind: Kind) -> TokenPair:
        self.calls.append(kind)
        sent = self.clock.monotonic()
        self.clock.sleep(self.latency)
        self.before_answer()
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.answers += not self.repeats
        number = self.replayed or self.answers
        access, refresh = Secret(f"access-{number}"), None
        if self.gives_refresh_tokens:
            refresh = RefreshToken(Secret(f"refresh-{number}"), self.refresh_lifetime)
        return TokenPair(access, self.lifetime, refresh, sent, flaws=self.flaws)


NOTED: Mapping[type[Event], str] = {
    CallSucceeded: "{0.organization} redeemed {0.kind}",
    CallFailed: "{0.organization} failed {0.kind} {0.error.kind}",
    HeldBack: "{0.organization} held back {0.kind}",
    AnswerFlawed: "{0.organization} flawed {0.flaw}",
    TokenCommitted: "{0.organization} committed",
    TokenReported: "{0.organization} reported {0.status}",
    WaitRefused: "{0.organization} turned away",
    LeaseHeld: "{0.organization} lease held",
    StoreFailed: "{0.organization} store failed {0.reason}",
    StoreRecovered: "{0.organization} store recovered",
    StoreDamaged: "{0.organization} store damaged {0.damage.part} {0.damage.defect}",
    FeedUp: "feed up",
    FeedDown: "feed down {0.reason}",
    Crashed: "{0.organization} crashed {0.error.__class__.__name__}",
}
"""How each event is noted; how long a wait was is told by the clock."""


@dataclass
class Notes:
    """An observer that remembers."""

    lines: list[str] = field(default_factory=list)

    def handle(self, event: Event) -> None:
        """Remember it, but not how often a flaw came again."""
        known = isinstance(event, AnswerFlawed) and event.known
        if type(event) in NOTED and not known:
            self.lines.append(NOTED[type(event)].format(event))


def retry_definite(call: Callable[[], TokenPair], attempts: int) -> TokenPair:
    """Repeat retryable failures at once, as often as allowed."""
    for left in reversed(range(attempts)):
        try:
            return call()
        except UpstreamError as error:
            if not error.retryable or not left:
                raise
    raise AssertionError("no attempt allowed")
