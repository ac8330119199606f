"""Every fault of Canvas that the emulator can play, each while a refresh is due."""

import time
from collections.abc import Mapping

from broker.emulator.canvas import Sessions
from tests.chaos.faults import Fault
from tests.chaos.stage import Stage

DURATION = 3.0
Knobs = Mapping[str, object]
TEN_MINUTES = 600

ANSWERS: Mapping[str, Knobs] = {
    "404 to a refresh": {"status": 404, "calls": "refresh"},
    "429": {"status": 429},
    "429, Retry-After in seconds": {"status": 429, "retry_after": 2},
    "429, Retry-After as a date": {"status": 429, "retry_after": 2, "retry_after_as": "date"},
    "500": {"status": 500},
    "500 after the work": {"status": 500, "work": True},
    "502": {"status": 502},
    "503": {"status": 503},
    "503, Retry-After in seconds": {"status": 503, "retry_after": 2},
    "503, Retry-After as a date": {"status": 503, "retry_after": 2, "retry_after_as": "date"},
    "504": {"status": 504},
    "request lost": {"drop": "request"},
    "answer lost": {"drop": "answer"},
    "slow, in time": {"latency": 0.6},
    "too slow": {"latency": 3},
    "held": {"hold": "before"},
    "a byte at a time": {"drip": 0.1},
    "HTML": {"body": "html"},
    "empty": {"body": "empty"},
    "truncated": {"body": "truncated"},
    "half the JSON": {"body": "half"},
    "oversize": {"body": "oversize"},
    "wrong types": {"body": "wrong_types"},
    "no access token": {"body": "no_access_token"},
    "no expiry": {"expiry": "missing"},
    "expiry null": {"expiry": "null"},
    "expiry without an offset": {"expiry": "no_offset"},
    "expired on arrival": {"expiry": "past"},
    "no refresh token": {"refresh_token": "missing"},
    "refresh token null": {"refresh_token": "null"},
    "refresh token empty": {"refresh_token": "empty"},
    "refresh token without expiry": {"refresh_expiry": "missing"},
    "103 before the answer": {"interim": 103},
    "gzip that nobody asked for": {"encoding": "gzip"},
}
STANDING: Mapping[str, Knobs] = {
    "short lives": {"access_lifetime_authenticate": 20, "access_lifetime_refresh": 20},
    "Date 10 min ahead": {"date_shift": TEN_MINUTES},
    "Date 10 min behind": {"date_shift": -TEN_MINUTES},
    "clock 10 min ahead": {"clock_shift": TEN_MINUTES},
    "clock 10 min behind": {"clock_shift": -TEN_MINUTES},
}


def turned(name: str, knobs: Knobs) -> Fault:
    """Return the fault that turns ``knobs``, causes a refresh and lets it go on for a while."""

    def play(stage: Stage) -> None:
        stage.emulator.fault(**knobs)
        stage.cause_refresh()
        time.sleep(DURATION)

    return Fault(f"Canvas: {name}", play)


def ended_elsewhere(stage: Stage) -> None:
    """Another program authenticates, which ends our tokens; a caller then reports the 401."""
    stage.emulator.fault(sessions=Sessions.SINGLE.value)
    stage.authenticate_elsewhere()
    stage.cause_refresh()
    time.sleep(DURATION)


FAULTS = (
    *(turned(name, {**knobs, "times": None}) for name, knobs in ANSWERS.items()),
    *(turned(name, knobs) for name, knobs in STANDING.items()),
    Fault("Canvas: session ended by another login", ended_elsewhere),
)
