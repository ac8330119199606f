"""Several read in one round trip are told what each would be told alone, on every store."""

import time
from collections.abc import Sequence
from typing import Any

import fakeredis
import pytest

from broker.clock import SystemClock
from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.ports import Question, RecordStore, ReportStatus, Slot
from broker.store.breaker import Breaker
from broker.store.connect import connect
from broker.store.redis_stores import RedisRecordStores
from broker.store.scripts import Scripts
from tests.fakes import credentials
from tests.servers import SLACK, RedisServer, free_port
from tests.store.harness import Harness, RedisHarness
from tests.store.test_contract import TIMEOUT, commit_first, record, spare

LIMITS = Limits()


def others(harness: Harness, count: int) -> list[RecordStore]:
    """Return the record stores of further organizations, each with a record of its own."""
    stores = [harness.stores.open(f"other-{number}", credentials("b")) for number in range(count)]
    for number, store in enumerate(stores):
        attempt = f"attempt-{time.monotonic_ns()}"
        known = store.read(0).generation
        store.commit(attempt, known, record(harness, name=str(number)), None)
    return stores


def same(harness: Harness, asked: Sequence[Question]) -> None:
    """Compare what several are told with what each is told alone, but for the time."""
    answers = [answer() for answer in harness.stores.read_each(asked)]
    alone = [store.read(known) for store, known in asked]
    assert len(answers) == len(asked)
    for one, other in zip(answers, alone, strict=True):
        assert one.now <= other.now
        assert abs(one.lease_remaining - other.lease_remaining) < 1
        for name in ("generation", "record", "unchanged", "foreign", "refused", "spare"):
            assert getattr(one, name) == getattr(other, name), name
        assert one.presented == other.presented
        assert (one.backoff and one.backoff.failure) == (other.backoff and other.backoff.failure)


def test_each_is_told_its_own(harness: Harness) -> None:
    """Records, and none where its generation is known, in the order of the questions."""
    stores = others(harness, 3)
    generation = stores[1].read(0).generation
    empty = harness.store
    asked = [(stores[0], 0), (empty, 0), (stores[1], generation), (stores[2], 0), (stores[0], 0)]
    same(harness, asked)
    tokens = [answer().record for answer in harness.stores.read_each(asked)]
    assert [one and one.access_token.reveal() for one in tokens] == [
        "access-0",
        None,
        None,
        "access-2",
        "access-0",
    ]


def test_marks_leases_backoffs_and_spares(harness: Harness) -> None:
    """All that a snapshot tells."""
    (other,) = others(harness, 1)
    generation = commit_first(harness)
    harness.age(11)
    generation = harness.store.read(0).generation
    assert harness.store.report(generation) is ReportStatus.ACCEPTED
    grant = harness.store.acquire("a", generation, Slot.OWN)
    same(harness, [(other, 0), (harness.store, generation)])
    harness.store.commit_spare(grant, spare(harness), TIMEOUT)
    same(harness, [(other, 0), (harness.store, generation)])
    harness.move()
    same(harness, [(harness.store, 0), (other, 0)])


def test_one_alone(harness: Harness) -> None:
    """Is as several."""
    commit_first(harness)
    same(harness, [(harness.store, 0)])


def test_as_many_as_go_together(harness: Harness) -> None:
    """The longest tokens, too."""
    stores = others(harness, harness.stores.together)
    assert len(stores) > 1
    same(harness, [(store, 0) for store in stores])


@pytest.fixture(params=["redis7", "valkey"])
def real(request: pytest.FixtureRequest) -> RedisHarness:
    """Each real server."""
    server: RedisServer = request.getfixturevalue(request.param)
    return RedisHarness(server.client())


@pytest.mark.sockets
def test_scripts_are_forgotten(real: RedisHarness) -> None:
    """As after a restart: they are sent anew, and nobody notices."""
    stores = others(real, 3)
    asked = [(store, 0) for store in stores]
    real.client.script_flush()
    real.client.config_resetstat()
    real.stores.read_each(asked)
    calls: Any = real.client.info("commandstats")
    assert (calls["cmdstat_evalsha"]["calls"], calls["cmdstat_eval"]["calls"]) == (3 + 1 + 2, 1)
    same(real, asked)


@pytest.mark.sockets
def test_one_that_cannot_be_read(real: RedisHarness) -> None:
    """It is the only one that is not told; its error says what is wrong."""
    (other,) = others(real, 1)
    commit_first(real)
    client: Any = real.client
    client.execute_command("ACL", "SETUSER", "default", "resetkeys", "~test:{other*")
    try:
        for _ in range(2):
            broken, good = real.stores.read_each([(real.store, 0), (other, 0)])
            with pytest.raises(StoreUnavailableError, match="keys"):
                broken()
            assert good().record is not None
            assert other.read(0).record is not None
    finally:
        client.execute_command("ACL", "SETUSER", "default", "resetkeys", "~*")
        client.acl_log_reset()


@pytest.mark.sockets
def test_one_round_trip(valkey: RedisServer) -> None:
    """All questions are sent before the first answer is read."""
    stores = connected(valkey.url)
    asked = questions(stores, 32)
    stores.read_each(asked[:1])
    with valkey.client() as client:
        client.config_resetstat()
        stores.read_each(asked)
        before: dict[str, int] = client.info("stats")
        calls: dict[str, dict[str, int]] = client.info("commandstats")
    assert calls["cmdstat_evalsha"]["calls"] == len(asked) == 32
    assert before["total_reads_processed"] < len(asked)


def questions(stores: RedisRecordStores, count: int) -> list[Question]:
    """Return what is asked to learn of so many organizations, of which nothing is known."""
    return [(stores.open(f"o-{number}", credentials()), 0) for number in range(count)]


def connected(url: str) -> RedisRecordStores:
    """Return the record stores as the broker connects them."""
    client = connect(url, LIMITS)
    scripts = Scripts(client, Breaker(SystemClock(), 1.0), together=client)
    return RedisRecordStores(scripts, LIMITS, "test", "scope")


@pytest.mark.sockets
def test_nobody_listens() -> None:
    """None is told, at once; the breaker is open for all."""
    stores = connected(f"redis://127.0.0.1:{free_port()}/0")
    store = stores.open("acme", credentials())
    with pytest.raises(StoreUnavailableError, match="refused"):
        stores.read_each([(store, 0)])
    with pytest.raises(StoreUnavailableError, match="a moment ago"):
        store.read(0)


@pytest.mark.sockets
def test_hung_redis_is_bounded(valkey_of_its_own: RedisServer) -> None:
    """However many are asked for, it costs what one costs."""
    stores = connected(valkey_of_its_own.url)
    asked = questions(stores, 32)
    stores.read_each(asked)
    valkey_of_its_own.hang()
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        stores.read_each(asked)
    assert time.monotonic() - began <= LIMITS.redis_worst + SLACK
    valkey_of_its_own.resume()


@pytest.mark.sockets
def test_restarted_redis_is_found_again(valkey_of_its_own: RedisServer) -> None:
    """One retry bridges it, and the scripts are sent anew."""
    stores = connected(valkey_of_its_own.url)
    asked = questions(stores, 3)
    stores.read_each(asked)
    valkey_of_its_own.stop()
    valkey_of_its_own.start()
    assert [answer().generation for answer in stores.read_each(asked)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("url", "together"),
    [
        ("redis://one", 100),
        ("rediss://one", 100),
        ("unix:///one", 100),
        ("redis+sentinel://one:1/primary", 100),
        ("redis+cluster://one", 0),
        ("rediss+cluster://one", 0),
    ],
)
def test_not_in_a_cluster(url: str, together: int) -> None:
    """There each look is on its own: one node that hangs keeps nobody else's answer."""
    client = connect(url, LIMITS)
    scripts = Scripts(client, Breaker(SystemClock(), 1.0), together=client.together)
    assert RedisRecordStores(scripts, LIMITS, "test", "scope").together == together


def test_without_pipelines_each_is_read_alone() -> None:
    """Whoever asks for several all the same gets them."""
    harness = RedisHarness(fakeredis.FakeRedis(), server_name="fake")
    harness.scripts.together = None
    same(harness, [(store, 0) for store in others(harness, 3)])
