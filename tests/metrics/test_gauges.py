"""The gauges: what the living workers know at the moment of the scrape."""

import platform
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from broker import __version__
from broker.limits import Limits
from broker.metrics.meters import Meters
from broker.pod.snapshot import Pod
from broker.policy.health import OrganizationHealth, health_of
from broker.policy.organization import Organization
from broker.policy.values import Binding, Copy
from broker.secret import Secret
from broker.tokens import Record, State
from tests.fakes import FakeClock, credentials
from tests.memory_store.server import MemoryServer
from tests.metrics.pods import FILES, HEALTHY, Readings, named, pod, seen


def gauge(name: str, of: Pod) -> Readings:
    """Return the series of a gauge."""
    return seen(Meters(), of, f"broker_{name}")


def with_token(clock: FakeClock) -> Organization:
    """Return an organization that has just got a token for 900 s."""
    now = clock.monotonic()
    keys = credentials()
    binding = Binding(keys, MemoryServer(clock.redis, Limits()).open("acme", keys))
    record = Record(1, 1, Secret("canary"), 900, 900, 300, Secret("canary"), 86400)
    organization = Organization("acme", binding, Limits(), now)
    organization.copy = Copy(record, binding.version, now + 900, now)
    return organization


def test_the_seconds_to_expiry_count_down_between_two_scrapes() -> None:
    """By the time that passed, and below 0 once the token has expired."""
    clock, meters = FakeClock(), Meters()
    organization = with_token(clock)

    def scrape() -> Readings:
        health = health_of(organization, clock.monotonic(), 0.0, kept=True, wait=3.0)
        return seen(meters, pod(health), "broker_token_expires_in_seconds")

    assert scrape() == {("acme", "access"): 900, ("acme", "refresh"): 86400}
    clock.sleep(61.5)
    assert scrape() == {("acme", "access"): 838.5, ("acme", "refresh"): 86338.5}
    clock.sleep(1000)
    assert scrape()["acme", "access"] == -161.5


def test_a_token_that_is_overdue_is_told_by_how_much() -> None:
    """Counting up from when it turned stale."""
    clock = FakeClock()
    organization = with_token(clock)
    organization.note_request(clock.monotonic(), 3600)
    told = []
    for _ in range(3):
        health = health_of(organization, clock.monotonic(), 0.0, kept=True, wait=3.0)
        told.append(gauge("token_refresh_overdue_seconds", pod(health))[("acme",)])
        clock.sleep(400)
    assert told == [0, 0, 200]


def test_what_nobody_knows_is_left_out() -> None:
    """No token has no expiry, which is another thing than 0."""
    empty = HEALTHY._replace(state=State.EMPTY, expires_in=None, refresh_expires_in=None)
    assert gauge("token_expires_in_seconds", pod(empty)) == {}
    assert gauge("clock_skew_seconds", pod(empty)) == {}


@pytest.mark.parametrize("state", list(State))
def test_the_state_is_told_and_no_other(state: State) -> None:
    """One series instead of four."""
    states = gauge("organization_state", pod(HEALTHY._replace(state=state)))
    assert states == {("acme", state): 1}


@pytest.mark.parametrize(
    ("name", "change", "value"),
    [
        ("failures", {"failures": 4}, 4),
        ("credentials_rejected", {"latched": True}, 1),
    ],
)
def test_what_has_not_happened_is_left_out(name: str, change: dict[str, Any], value: float) -> None:
    """A fault of one does not show at another."""
    other = HEALTHY._replace(organization="globex")
    assert gauge(name, pod(HEALTHY._replace(**change), other)) == {("acme",): value}
    assert gauge(name, pod(HEALTHY, other)) == {}


def test_nobody_is_overdue_who_is_not_in_use() -> None:
    """The others are told, at 0 as well."""
    late = HEALTHY._replace(organization="late", overdue=7.0)
    idle = HEALTHY._replace(organization="idle", in_use=False)
    told = gauge("token_refresh_overdue_seconds", pod(HEALTHY, late, idle))
    assert told == {("acme",): 0, ("late",): 7}


def test_the_longest_backoff_is_told_once() -> None:
    """Of all organizations."""
    failing = [HEALTHY._replace(organization=f"o{n}", next_attempt_in=n) for n in (3.5, 12.5)]
    assert gauge("backoff_seconds", pod(HEALTHY, *failing)) == {(): 12.5}
    assert gauge("backoff_seconds", named("acme")) == {(): 0}
    assert gauge("backoff_seconds", pod()) == {(): 0}


def test_the_skew_that_was_measured_last_is_told_once() -> None:
    """It is the host's and Canvas's, whoever's token it was measured with."""
    old = HEALTHY._replace(skew=600.0, skew_age=90.0)
    new = HEALTHY._replace(organization="globex", skew=-31.5, skew_age=10.0)
    assert gauge("clock_skew_seconds", pod(old, new)) == {(): -31.5}


def test_waiters_and_places_are_summed_over_the_workers() -> None:
    """One of eight places is taken in each."""
    three = pod(HEALTHY, workers=3)
    assert gauge("waiters", three) == {(): 3}
    assert gauge("waiters_limit", three) == {(): 24}


def silent_in_one(of: Pod) -> Pod:
    """Let Redis not answer one of the workers."""
    first, *rest = of.workers
    silent = tuple(one._replace(store_fault="timeout") for one in first.organizations)
    return replace(of, workers=(replace(first, organizations=silent), *rest))


@pytest.mark.parametrize(
    ("change", "up"), [(lambda of: of, 1), (silent_in_one, 0), (lambda _: pod(), 1)]
)
def test_redis_is_up_while_it_answers_every_worker(change: Callable[[Pod], Pod], up: int) -> None:
    """The merged organization may look well while one worker is cut off."""
    assert gauge("redis_up", change(named("acme", "globex"))) == {(): up}


def test_workers_that_do_not_answer_are_missing() -> None:
    """The difference is what to look at."""
    lame = replace(pod(HEALTHY, workers=1, expected=3), silent=(8, 9))
    assert (gauge("workers", lame), gauge("workers_expected", lame)) == ({(): 1}, {(): 3})


def test_files_are_told_by_kind() -> None:
    """Whether they are in force as they lie there, and since when."""
    refused = replace(FILES, what="callers", problems=("is no TOML",), taken_at=5.0)
    of = replace(pod(), files=(FILES, refused))
    assert gauge("reload_success", of) == {("credentials",): 1, ("callers",): 0}
    since = {("credentials",): FILES.taken_at, ("callers",): 5.0}
    assert gauge("reload_success_timestamp_seconds", of) == since


def test_organizations_are_counted() -> None:
    """Those that are configured, and those of them that are kept warm."""
    idle: OrganizationHealth = HEALTHY._replace(organization="globex", in_use=False)
    of = pod(HEALTHY, idle)
    assert (gauge("organizations", of), gauge("organizations_in_use", of)) == ({(): 2}, {(): 1})


def test_the_build_tells_both_versions() -> None:
    """The broker's and Python's."""
    assert gauge("build_info", pod()) == {(platform.python_version(), __version__): 1}
