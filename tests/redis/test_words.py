"""Each word of the table, provoked on real servers and told by the store and by the probe."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
import redis

from broker.clock import SystemClock
from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.ports import Slot
from broker.store.node_probe import ProbeError
from broker.store.probe import RedisProbe
from broker.store.redis_stores import RedisRecordStores
from broker.store_faults import StoreFault, read_reason
from tests.fakes import credentials
from tests.redis.clusters import cluster
from tests.redis.nodes import LIMITS, Node, scripts, wait_until
from tests.servers import free_port, more_servers, redis_binary, valkey_binary

pytestmark = pytest.mark.sockets

PREFIX, PASSWORD = "words", "words-password"  # of a server that lives for a test
PATIENT = Limits(redis_connect_timeout=2.5, redis_timeout=5.0)
"""Ten times the usual: a server of a busy machine says its word late, and is no slow one for it."""
Trouble = Callable[[Node], AbstractContextManager[object]]


@pytest.fixture(scope="module", params=["valkey", "redis7", *more_servers()])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    """Each server in turn: one process for all the words that CONFIG SET provokes."""
    binary = {"valkey": valkey_binary(), "redis7": redis_binary()}.get(request.param, request.param)
    if binary is None:
        pytest.skip("this machine has no redis-server")
    with Node(binary, tmp_path_factory.mktemp("words") / "node") as found:
        yield found


@contextmanager
def config(node: Node, **values: str) -> Iterator[None]:
    """Set options for a while."""
    with node.client() as client:
        names = {name.replace("_", "-"): value for name, value in values.items()}
        before = {name: client.config_get(name)[name] for name in names}
        for name, value in names.items():
            client.config_set(name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                client.config_set(name, value)


def full(node: Node) -> AbstractContextManager[object]:
    """Leave no memory."""
    return config(node, maxmemory="1", maxmemory_policy="noeviction")


def alone(node: Node) -> AbstractContextManager[object]:
    """Want a replica that is not there."""
    return config(node, min_replicas_to_write="1")


@contextmanager
def unsaved(node: Node) -> Iterator[None]:
    """Let a save fail: a folder lies where the file is to go."""
    directory = node.directory / "dump.rdb"
    directory.mkdir()
    (directory / "in-the-way").touch()
    with config(node, save="3600 1000000"), node.client() as client:
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
        yield
    (directory / "in-the-way").unlink()
    directory.rmdir()
    with node.client() as client:
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok")


@contextmanager
def replica(node: Node) -> Iterator[None]:
    """Make it the replica of nobody that is there."""
    node.ask("REPLICAOF", "127.0.0.1", free_port())
    try:
        yield
    finally:
        node.ask("REPLICAOF", "NO", "ONE")


@contextmanager
def cut_off_replica(node: Node) -> Iterator[None]:
    """Make it one that serves nothing without its primary."""
    with config(node, replica_serve_stale_data="no"), replica(node):
        yield


@contextmanager
def busy(node: Node) -> Iterator[None]:
    """Run a script that lasts, until it is killed; 20 s at most."""
    script = "local t = redis.call('TIME')[1] while redis.call('TIME')[1] - t < 20 do end"

    def run() -> None:
        with suppress(redis.RedisError), redis.Redis(port=node.port, socket_timeout=25) as client:
            client.eval(script, 0)

    thread = threading.Thread(target=run)
    with config(node, busy_reply_threshold="20"):
        thread.start()
        wait_until(lambda: "busy" in _answer(node))
        try:
            yield
        finally:
            node.ask("SCRIPT", "KILL")
            thread.join(25)


def _answer(node: Node) -> str:
    try:
        return str(node.ask("PING"))
    except redis.ResponseError as error:
        return str(error)


@contextmanager
def crowded(node: Node) -> Iterator[None]:
    """Take all places for clients but one, which is given up at the end."""
    with node.client() as client:
        before = client.config_get("maxclients")["maxclients"]
        client.config_set("maxclients", 1)
        try:
            yield
        finally:
            client.config_set("maxclients", before)


@contextmanager
def locked(node: Node) -> Iterator[None]:
    """Ask for a password that the broker does not have."""
    with node.client() as client:
        client.config_set("requirepass", PASSWORD)
        client.execute_command("AUTH", PASSWORD)
        try:
            yield
        finally:
            client.config_set("requirepass", "")


def acl(*rules: str) -> Trouble:
    """Change the rights of the default user, as whom the broker comes."""

    @contextmanager
    def changed(node: Node) -> Iterator[None]:
        with node.client() as client:
            client.execute_command("ACL", "SETUSER", "admin", "on", ">admin", "~*", "+@all")
            client.execute_command("AUTH", "admin", "admin")
            client.execute_command("ACL", "SETUSER", "default", *rules)
            try:
                yield
            finally:
                client.execute_command("ACL", "SETUSER", "default", "on", "nopass", "~*", "+@all")

    return changed


@contextmanager
def gone(node: Node) -> Iterator[None]:
    """End it, and start it again."""
    node.stop()
    try:
        yield
    finally:
        node.start()


@contextmanager
def hung(node: Node) -> Iterator[None]:
    """Stop it."""
    node.hang()
    try:
        yield
    finally:
        node.resume()


def told(work: Callable[[], object]) -> str:
    """Return the reason that the store or the probe gives."""
    try:
        work()
    except (StoreUnavailableError, ProbeError) as error:
        return str(error.reason)
    return "none"


def of_store(url: str, limits: Limits = PATIENT) -> str:
    """Return why a refresh would fail there."""
    stores = RedisRecordStores(scripts(url, limits=limits), limits, PREFIX, "scope")
    store = stores.open("acme", credentials())
    return told(lambda: store.acquire(f"attempt-{time.monotonic_ns()}", 0, Slot.NONE))


def of_write_check(url: str, limits: Limits = PATIENT) -> str:
    """Return why the write that is tried at a low rate fails there."""
    stores = RedisRecordStores(scripts(url, limits=limits), limits, PREFIX, "scope")
    (reason,) = stores.check_writes([stores.open("acme", credentials())])
    return str(reason).lower()


def of_probe(url: str, limits: Limits = PATIENT) -> str:
    """Return what ``broker check`` says there."""
    probe = RedisProbe(url, PREFIX, limits, SystemClock())

    def check() -> None:
        probe.reach()
        probe.run_scripts()

    return told(check)


@pytest.mark.parametrize(
    ("trouble", "word"),
    [
        (full, "out_of_memory"),
        (alone, "too_few_replicas"),
        (unsaved, "cannot_persist"),
        (replica, "read_only"),
        (cut_off_replica, "read_only"),
        (busy, "busy"),
        (crowded, "max_clients"),
        (locked, "login"),
        (acl("-hset"), "permission:hset"),
        (acl("-evalsha", "-eval"), "permission:evalsha"),
        (acl("resetkeys", "~other:*"), "keys"),
        (gone, "refused"),
        (hung, "timeout"),
    ],
)
def test_what_a_running_server_answers(node: Node, trouble: Trouble, word: str) -> None:
    """By a refresh, by the write that is tried, and by ``broker check``; then all is well again."""
    assert of_write_check(node.url) == "none"
    limits = LIMITS if trouble is hung else PATIENT
    with trouble(node):
        by_all = [word_of(node.url, limits) for word_of in (of_store, of_write_check, of_probe)]
    fault = read_reason(word).fault
    assert {read_reason(one).fault for one in by_all} == {fault}, by_all
    if fault is StoreFault.PERMISSION:
        assert by_all[-1] in {word, "permission:eval"}
    assert of_write_check(node.url) == "none"


@contextmanager
def started(node: Node, *options: str) -> Iterator[Node]:
    """Start another server of the same kind with options of its own."""
    with Node(node.binary, node.directory / f"other-{free_port()}", *options) as other:
        yield other


def test_a_renamed_command_is_found(node: Node) -> None:
    """The store cannot know which; the probe tries them all."""
    with started(node, "--rename-command", "HSET", "", "--rename-command", "PTTL", "hidden") as one:
        assert of_store(one.url) == of_write_check(one.url) == "renamed"
        assert of_probe(one.url) == "renamed:hset,pttl"


def test_a_cluster(tmp_path: Path) -> None:
    """Each of its words; and what one node fails at concerns only who lies there."""
    with cluster(tmp_path) as nodes:
        here, *others = (nodes.owner(f"{{{name}}}") for name in NAMES)
        elsewhere, name = next(
            (one, name) for one, name in zip(others, NAMES[1:], strict=True) if one is not here
        )
        assert of_store(elsewhere.url) == "moved"
        with full(here):
            assert of_stores(nodes.url, name) == ["out_of_memory", "none"]
            found = refused_check(nodes.url)
            assert (str(found.reason), found.node) == ("out_of_memory", f"127.0.0.1:{here.port}")
        for one in nodes.nodes:
            one.ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
        nodes.replica_of(here).stop()  # it would take over
        with hung(here):
            assert of_stores(nodes.url, name) == ["timeout", "none"]
        here.ask("CLUSTER", "DELSLOTS", here.ask("CLUSTER", "KEYSLOT", f"{{{NAMES[0]}}}"))
        assert of_store(here.url) == "cluster_down"


NAMES = ("acme", *(f"org-{number}" for number in range(8)))


def of_stores(url: str, name: str) -> list[str]:
    """Return why each fails of the first organization and ``name``, by one client."""
    stores = RedisRecordStores(scripts(url, 60.0, PATIENT), PATIENT, PREFIX, "scope")
    both = [stores.open(one, credentials()) for one in (NAMES[0], name)]
    for store in both:
        told(lambda store=store: store.read(0))  # type: ignore[misc]
    told(lambda: both[0].acquire("attempt", 0, Slot.NONE))
    reasons = [told(lambda one=one: one.acquire("attempt", 0, Slot.NONE)) for one in both]  # type: ignore[misc]
    tried = [str(one or "none") for one in stores.check_writes(both)]
    assert [one == "none" for one in tried] == [one == "none" for one in reasons]
    return reasons


def refused_check(url: str) -> ProbeError:
    """Return how ``broker check`` fails."""
    with pytest.raises(ProbeError) as caught:
        RedisProbe(url, PREFIX, PATIENT, SystemClock()).run_scripts()
    return caught.value


def test_a_name_that_nobody_knows() -> None:
    """The resolver says so at once."""
    assert of_store("redis://redis.invalid:6379") == "name_unknown"


def test_what_is_not_redis() -> None:
    """Something else listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        found = of_store(f"redis://127.0.0.1:{listener.getsockname()[1]}")
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    assert found == "not_redis"
