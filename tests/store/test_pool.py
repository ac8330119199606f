"""Connections are set up in the background: no caller looks a name up, and no set-up is lost."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from broker.clock import SystemClock
from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.store.breaker import Breaker
from broker.store.connect import connect
from broker.store.pool import KEPT, THREAD, UNUSED_S, SetUpTimes
from broker.store.scripts import Scripts
from broker.store.trouble import reason_of
from broker.store_faults import StoreFault
from broker.threads import redis_users
from tests.redis.nodes import wait_until
from tests.servers import RedisServer

KEYS = [f"test:{{pool}}:name:{part}" for part in ("record", "lease", "backoff", "report")]
LIVES = (25_000, 900_000, 60_000)
"""Of a lease, a backoff and a report, in ms."""
SHORT = Limits(redis_connect_timeout=0.02, redis_timeout=0.02)
PATIENT = Limits(redis_connect_timeout=20.0, redis_timeout=20.0)
LONGEST = 60.0


class NameServer:
    """Takes the place of the system's: answers 127.0.0.1, that there is no name, or nothing."""

    def __init__(self) -> None:
        self.asked_by: list[str] = []
        self.knows = True
        self._lookup = socket.getaddrinfo
        self._answering = threading.Event()
        self._answering.set()

    def fall_silent(self) -> None:
        """Answer nobody from now on."""
        self._answering.clear()

    def answer(self, *, knows: bool = True) -> None:
        """Answer those who wait, and those who come."""
        self.knows = knows
        self._answering.set()

    def getaddrinfo(self, host: str, port: int, *rest: int) -> Any:
        """Look up as the system does, without a limit; an address needs no lookup."""
        if host == "127.0.0.1":
            return self._lookup(host, port, *rest)
        self.asked_by.append(threading.current_thread().name)
        assert self._answering.wait(LONGEST)
        if not self.knows:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self._lookup("127.0.0.1", port, *rest)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """Replace the system's lookup; in the end all who wait are told that there is no such name."""
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.answer(knows=False)
    finish_set_ups()


def finish_set_ups() -> None:
    """Wait until no set-up is under way."""
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join(LONGEST)


def scripts(url: str, limits: Limits, users: int = 4) -> Scripts:
    """Return the scripts as the broker connects them, with a breaker that lets all through."""
    client = connect(url, limits, users=users)
    return Scripts(client, Breaker(SystemClock(), 0.0), seconds=limits.redis_worst)


@pytest.mark.parametrize(
    ("url", "names_in_it"),
    [
        ("redis://redis.test", 1),
        ("rediss://redis.test", 1),
        ("redis+sentinel://one.test:1,two.test:2/primary", 1),
        ("redis+cluster://one.test,two.test", 2),
    ],
)
def test_silent_names_hold_no_caller(names: NameServer, url: str, names_in_it: int) -> None:
    """Each call fails in time; a thread of the pool waits for each name, however many call."""
    names.fall_silent()
    run = scripts(url, SHORT).run
    for _ in range(6):
        with pytest.raises(StoreUnavailableError):
            run("read", KEYS, *LIVES, 0)
    assert set(names.asked_by) == {THREAD}
    assert len(names.asked_by) <= names_in_it


@pytest.mark.sockets
def test_what_comes_late_is_kept(names: NameServer, valkey: RedisServer) -> None:
    """The connection of a caller who has given up serves the next."""
    names.fall_silent()
    limits = replace(SHORT, redis_timeout=2.0)
    run = scripts(f"redis://redis.test:{valkey.port}", limits).run
    with pytest.raises(StoreUnavailableError):
        run("read", KEYS, *LIVES, 0)
    names.answer()
    wait_until(lambda: runs(run))
    assert names.asked_by == [THREAD]


def runs(run: Any) -> bool:
    """Tell whether a script is answered."""
    try:
        run("read", KEYS, *LIVES, 0)
    except StoreUnavailableError:
        return False
    return True


@pytest.mark.sockets
def test_closed_connection_is_not_set_up_by_its_user(
    names: NameServer, valkey_of_its_own: RedisServer
) -> None:
    """Redis restarts, and its idle connections are found closed: the pool's threads mend it."""
    run = scripts(f"redis://redis.test:{valkey_of_its_own.port}", PATIENT).run
    run("read", KEYS, *LIVES, 0)
    valkey_of_its_own.stop()
    valkey_of_its_own.start()
    run("read", KEYS, *LIVES, 0)
    assert names.asked_by == [THREAD, THREAD]


def test_reason_of_a_failed_lookup_is_told(names: NameServer) -> None:
    """It comes after 20 s, when nobody waits any more: later callers who wait in vain tell it."""
    pool: Any = connect("redis://redis.test", SHORT).client()
    pool = pool.connection_pool
    names.fall_silent()
    with pytest.raises(RedisTimeoutError) as caught:
        pool.get_connection()
    assert reason_of(caught.value).fault is StoreFault.TIMEOUT
    names.answer(knows=False)
    finish_set_ups()
    names.fall_silent()
    with pytest.raises(RedisTimeoutError) as caught:
        pool.get_connection()
    assert reason_of(caught.value).fault is StoreFault.NAME_UNKNOWN


def test_failure_reaches_all_who_wait(names: NameServer) -> None:
    """Who waits is told as soon as it is known that there is no such name."""
    names.fall_silent()
    client = connect("redis://redis.test", PATIENT, users=3)
    with ThreadPoolExecutor(3) as callers:
        failures = [callers.submit(client.evalsha, "sha", 0) for _ in range(3)]
        wait_until(lambda: len(names.asked_by) == 3)
        names.answer(knows=False)
        told = {reason_of(one.exception(LONGEST) or Exception()).fault for one in failures}
    assert told == {StoreFault.NAME_UNKNOWN}


@pytest.mark.sockets
def test_a_redis_that_pauses_under_many_callers(valkey_of_its_own: RedisServer) -> None:
    """Each of 128 has a connection of its own and waits for its answer; the breaker stays closed.

    redis-py's own pool has 100, and fails at once beyond.
    """
    users = redis_users(128)
    client = connect(valkey_of_its_own.url, PATIENT, users=users)
    breaker = Breaker(SystemClock(), 1.0)
    run = Scripts(client, breaker, seconds=PATIENT.redis_worst).run
    run("read", KEYS, *LIVES, 0)
    pool: Any = client.client()
    pool = pool.connection_pool
    valkey_of_its_own.hang()
    with ThreadPoolExecutor(128) as callers:
        replies = [callers.submit(run, "read", KEYS, *LIVES, 0) for _ in range(128)]
        wait_until(lambda: in_use(pool) == 128)
        valkey_of_its_own.resume()
        assert [reply.result(LONGEST)[1][0].split()[2] for reply in replies] == [b"0"] * 128
    assert not breaker.open


def in_use(pool: Any) -> int:
    """Return how many connections are in use."""
    _, (count, _) = pool.get_connection_count()
    return int(count)


@pytest.mark.sockets
def test_more_callers_than_connections(valkey: RedisServer) -> None:
    """They take turns; nobody is turned away."""
    run = scripts(valkey.url, PATIENT, users=1).run
    with ThreadPoolExecutor(8) as callers:
        replies = list(callers.map(lambda _: run("read", KEYS, *LIVES, 0), range(40)))
    assert len(replies) == 40


@pytest.mark.sockets
def test_how_long_a_set_up_took(valkey: RedisServer) -> None:
    """It is kept for whoever judges the way to Redis."""
    client = connect(valkey.url, PATIENT)
    before = client.set_up_times.shortest()
    client.eval("return 1", 0)
    assert before is None
    assert client.set_up_times.shortest()


def test_shortest_of_the_last_set_ups() -> None:
    """One that a busy machine made long tells nothing, and after ten minutes none does."""
    now = 1000.0
    times = SetUpTimes(lambda: now)
    for seconds in (1.4, 0.3, 2.0):
        times.add(seconds)
    assert times.shortest() == 0.3
    now += 601.0
    assert times.shortest() is None
    times.add(1.5)
    assert times.shortest() == 1.5


@pytest.mark.sockets
def test_a_set_up_that_hangs_leaves_the_others_in_use(
    names: NameServer, valkey: RedisServer
) -> None:
    """Who finds all connections in use, and no name, takes none from those who come later."""
    client = connect(f"redis://redis.test:{valkey.port}", SHORT)
    wait_until(lambda: evaluates(client))
    pool: Any = client.client()
    pool = pool.connection_pool
    names.fall_silent()
    held = pool.get_connection()
    with pytest.raises(RedisTimeoutError):
        pool.get_connection()
    pool.release(held)
    assert pool.get_connection() is held
    pool.release(held)


def evaluates(client: Any) -> bool:
    """Tell whether a script is answered."""
    try:
        return bool(client.eval("return 1", 0))
    except (RedisConnectionError, RedisTimeoutError):
        return False


@pytest.mark.sockets
def test_one_that_is_silent_ends_those_idle_before(valkey_of_its_own: RedisServer) -> None:
    """A firewall that has forgotten them costs one operation its time, and not one for each."""
    client = connect(valkey_of_its_own.url, replace(PATIENT, redis_timeout=0.1), users=8)
    pool: Any = client.client()
    pool = pool.connection_pool
    held = [pool.get_connection() for _ in range(8)]
    for one in held:
        pool.release(one)
    valkey_of_its_own.hang()
    with pytest.raises(RedisTimeoutError):
        client.evalsha("sha", 0)
    valkey_of_its_own.resume()
    assert pool.get_connection() not in held
    assert not any(one.is_connected for one in held)


@pytest.mark.sockets
def test_one_that_is_late_ends_none_that_answers(valkey_of_its_own: RedisServer) -> None:
    """Who has answered since is not closed: many that are slow at once would all be set up anew."""
    client = connect(valkey_of_its_own.url, replace(PATIENT, redis_timeout=0.1), users=2)
    pool: Any = client.client()
    pool = pool.connection_pool
    silent, other = pool.get_connection(), pool.get_connection()
    silent.send_command("BLPOP", "nothing", 0)
    with pytest.raises(RedisTimeoutError):
        silent.read_response()
    pool.release(silent)
    other.send_command("PING")
    other.read_response()
    pool.release(other)
    assert pool.get_connection() is other


def burst(pool: Any, count: int) -> list[Any]:
    """Use so many connections at once and give them back; return them, the last used first."""
    held = [pool.get_connection() for _ in range(count)]
    for one in held:
        pool.release(one)
    return held[::-1]


def age(connections: list[Any], seconds: float) -> None:
    """Let them have answered so many seconds ago for the last time."""
    for one in connections:
        one.answered_at -= seconds


@pytest.mark.sockets
def test_unused_connections_are_closed(valkey_of_its_own: RedisServer) -> None:
    """Of a burst those used last stay, a few; Redis has no more of this worker."""
    client = connect(valkey_of_its_own.url, PATIENT, users=12)
    pool: Any = client.client()
    pool = pool.connection_pool
    idle = burst(pool, 12)
    client.close_unused()
    assert all(one.is_connected for one in idle)
    age(idle, UNUSED_S + 1)
    client.close_unused()
    assert [one.is_connected for one in idle] == [True] * KEPT + [False] * (12 - KEPT)
    with valkey_of_its_own.client() as own:
        wait_until(lambda: len(own.client_list()) == KEPT + 1)
    assert pool.get_connection() is idle[0]


@pytest.mark.sockets
def test_what_is_used_stays_open(valkey: RedisServer) -> None:
    """What has answered within the minute is not closed, nor what is in use."""
    client = connect(valkey.url, PATIENT, users=12)
    pool: Any = client.client()
    pool = pool.connection_pool
    idle = burst(pool, 8)
    held = pool.get_connection()
    age(idle[6:], UNUSED_S + 1)
    age([held], UNUSED_S + 1)
    client.close_unused()
    assert [one.is_connected for one in idle] == [True] * 6 + [False] * 2
    pool.release(held)


@pytest.mark.sockets
def test_closed_ones_leave_room(valkey: RedisServer) -> None:
    """A later burst gets as many connections as the first."""
    client = connect(valkey.url, PATIENT, users=7)
    pool: Any = client.client()
    pool = pool.connection_pool
    for _ in range(3):
        idle = burst(pool, 8)
        age(idle, UNUSED_S + 1)
        client.close_unused()
        assert sum(one.is_connected for one in idle) == KEPT


@pytest.mark.sockets
def test_what_was_set_up_for_nobody_is_closed(valkey: RedisServer) -> None:
    """Its caller found one that was given back: it is idle as any other."""
    client = connect(valkey.url, PATIENT, users=12)
    pool: Any = client.client()
    pool = pool.connection_pool
    idle = burst(pool, KEPT)
    unasked = [pool.connection_class(**pool.connection_kwargs) for _ in range(2)]
    for one in unasked:
        one.set_up()
    pool._new.extend(unasked)
    age([*idle, *unasked], UNUSED_S + 1)
    client.close_unused()
    assert sum(one.is_connected for one in [*idle, *unasked]) == KEPT
