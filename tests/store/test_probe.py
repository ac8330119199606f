"""The probe of Redis: each need met, and each need missing by its name."""

import re
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import fakeredis
import pytest

from broker.clock import SystemClock
from broker.limits import Limits
from broker.store.node_probe import COMMANDS, ProbeError, Server
from broker.store.probe import RedisProbe
from broker.store.scripts import NAMES, Scripts
from broker.store.trial import open_trial
from broker.store_faults import Reason, StoreFault
from tests.redis.clusters import cluster
from tests.servers import SLACK, RedisServer, free_port

PREFIX = "probed"
PASSWORD = "probe-password"
LIMITS = Limits()
RIGHTS = ("eval", "evalsha", *COMMANDS)
FEED = (f"&{PREFIX}:*", "+publish", "+subscribe")
ALLOWED = ("reset", "on", f">{PASSWORD}", f"~{PREFIX}:*", *(f"+{right}" for right in RIGHTS), *FEED)


class WrongClock(SystemClock):
    """A host that is 100 s behind."""

    def wall(self) -> float:
        """Return the wrong time."""
        return super().wall() - 100


@pytest.fixture(params=["valkey", "redis7"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """Each server in turn, with a user that has just the rights that are needed."""
    found: RedisServer = request.getfixturevalue(request.param)
    with found.client() as client:
        client.execute_command("ACL", "SETUSER", "prober", *ALLOWED)
        yield found
        client.execute_command("ACL", "DELUSER", "prober")
        client.acl_log_reset()


def url_of(server: RedisServer, password: str = PASSWORD) -> str:
    """Return the URL for that user."""
    return server.url.replace("://", f"://prober:{password}@")


def probe_at(url: str, prefix: str = PREFIX) -> RedisProbe:
    """Return a probe with the limits that a broker has by default."""
    return RedisProbe(url, prefix, LIMITS, SystemClock())


def refusal(work: object) -> ProbeError:
    """Return how a step failed: without a context, and without anything secret."""
    assert callable(work)
    with pytest.raises(ProbeError) as caught:
        work()
    assert caught.value.__context__ is None
    assert PASSWORD not in repr(caught.value)
    return caught.value


def leftovers(server: RedisServer) -> list[bytes]:
    """Return the keys that lie below the prefix."""
    with server.client() as client:
        return list(client.scan_iter(f"{PREFIX}:*"))


@pytest.mark.sockets
class TestOfServers:
    def test_all_that_is_needed_is_there(self, server: RedisServer) -> None:
        """With the rights of ``COMMANDS`` and no others; nothing is left behind."""
        probe = probe_at(url_of(server))
        probe.reach()
        assert probe.run_scripts()
        assert abs(probe.skew()) < 1
        (told,) = probe.servers()
        assert told is not None
        assert (told.name, told.maxmemory, told.policy) in {
            ("Valkey", 0, "noeviction"),
            ("Redis", 0, "noeviction"),
        }
        assert re.fullmatch(r"\d+\.\d+\.\d+", told.version)
        with server.client() as client:
            assert told.maxclients == int(client.config_get("maxclients")["maxclients"])
        probe.hear()
        assert leftovers(server) == []
        with server.client() as client:
            assert client.acl_log() == []

    @pytest.mark.parametrize("right", [right for right in RIGHTS if right != "info"])
    def test_a_missing_right_is_named(self, server: RedisServer, right: str) -> None:
        """It and no other; the connection stands all the same, and what stays behind dies."""
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "prober", f"-{right}")
            client.execute_command("SCRIPT", "FLUSH")
            probe = probe_at(url_of(server))
            probe.reach()
            found = refusal(probe.run_scripts)
            assert found.reason == Reason(StoreFault.PERMISSION, right)
            assert all(client.pttl(key) > 0 for key in leftovers(server))
            client.delete(*leftovers(server), "none")

    def test_eval_is_needed_also_where_the_scripts_are_known(self, server: RedisServer) -> None:
        """Redis forgets them when it is started again."""
        with server.client() as client:
            assert probe_at(url_of(server)).run_scripts()
            client.execute_command("ACL", "SETUSER", "prober", "-eval")
            assert refusal(probe_at(url_of(server)).run_scripts).reason.detail == "eval"
            client.delete(*leftovers(server), "none")

    def test_the_connection_needs_rights_too(self, server: RedisServer) -> None:
        """A database other than 0 needs SELECT."""
        probe = probe_at(f"{url_of(server).removesuffix('/0')}/1")
        probe.reach()
        assert refusal(probe.run_scripts).reason.detail == "select"

    def test_several_missing_rights_are_named_at_once(self, server: RedisServer) -> None:
        """So that nobody has to come back for the next one."""
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "prober", "-hset", "-pttl", "-set")
        found = refusal(probe_at(url_of(server)).run_scripts)
        assert found.reason.detail == "hset,pttl,set"
        assert leftovers(server) == []

    def test_without_info_the_server_cannot_be_told(self, server: RedisServer) -> None:
        """The scripts run; that is said and no error."""
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "prober", "-info")
        probe = probe_at(url_of(server))
        assert probe.run_scripts() is False
        assert probe.servers() == [None]

    def test_keys_that_are_not_allowed(self, server: RedisServer) -> None:
        """Another prefix than the user's."""
        probe = probe_at(url_of(server), "elsewhere")
        probe.reach()
        found = refusal(probe.run_scripts)
        assert found.reason == Reason(StoreFault.KEYS)
        assert refusal(probe.skew).reason.fault is StoreFault.KEYS

    def test_a_wrong_password(self, server: RedisServer) -> None:
        """Each step says so."""
        probe = probe_at(url_of(server, "wrong"))
        assert refusal(probe.reach).reason.fault is StoreFault.LOGIN
        assert refusal(probe.run_scripts).reason.fault is StoreFault.LOGIN

    def test_a_missing_password(self, valkey_of_its_own: RedisServer) -> None:
        """Where one is asked for."""
        with valkey_of_its_own.client() as client:
            client.config_set("requirepass", PASSWORD)
            assert refusal(probe_at(valkey_of_its_own.url).reach).reason.fault is StoreFault.LOGIN
            client.execute_command("AUTH", PASSWORD)

    def test_a_clock_that_is_wrong(self, server: RedisServer) -> None:
        """Redis is ahead of a host that is behind."""
        skew = RedisProbe(url_of(server), PREFIX, LIMITS, WrongClock()).skew()
        assert skew == pytest.approx(100, abs=1)

    def test_a_replica_takes_no_writes(self, valkey_of_its_own: RedisServer) -> None:
        """Reading would work."""
        with valkey_of_its_own.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", free_port())
            client.config_set("replica-serve-stale-data", "yes")
        probe = probe_at(valkey_of_its_own.url)
        probe.reach()
        assert refusal(probe.run_scripts).reason.fault is StoreFault.READ_ONLY

    def test_a_server_that_may_drop_records(self, valkey_of_its_own: RedisServer) -> None:
        """Only with a limit that it can reach."""
        probe = probe_at(valkey_of_its_own.url)
        with valkey_of_its_own.client() as client:
            client.config_set("maxmemory-policy", "volatile-lru")
            (told,) = probe.servers()
            assert told is not None
            assert not told.may_evict
            client.config_set("maxmemory", "100mb")
            (told,) = probe.servers()
        assert told is not None
        assert told.may_evict

    def test_a_server_without_memory(self, valkey_of_its_own: RedisServer) -> None:
        """It would refuse the next record."""
        with valkey_of_its_own.client() as client:
            client.config_set("maxmemory", "1")
        assert (
            refusal(probe_at(valkey_of_its_own.url).run_scripts).reason.fault
            is StoreFault.OUT_OF_MEMORY
        )

    def test_a_server_that_hangs(self, valkey_of_its_own: RedisServer) -> None:
        """No longer than any operation may take."""
        probe = probe_at(valkey_of_its_own.url)
        valkey_of_its_own.hang()
        began = time.monotonic()
        assert refusal(probe.reach).reason.fault is StoreFault.TIMEOUT
        assert time.monotonic() - began < LIMITS.redis_worst + SLACK
        valkey_of_its_own.resume()

    @pytest.mark.parametrize(
        "url", ["redis://127.0.0.1:{port}", "rediss://127.0.0.1:{port}", "unix:///nowhere/redis"]
    )
    def test_nobody_is_there(self, url: str) -> None:
        """At the port, or at the socket."""
        probe = probe_at(url.format(port=free_port()))
        assert refusal(probe.reach).reason.fault is StoreFault.REFUSED

    def test_tls_where_there_is_none(self, valkey: RedisServer) -> None:
        """The server cannot make anything of a handshake."""
        probe = probe_at(valkey.url.replace("redis:", "rediss:"))
        assert refusal(probe.reach).reason.fault in {
            StoreFault.TLS,
            StoreFault.CONNECTION,
            StoreFault.TIMEOUT,
        }

    def test_no_cluster_behind_a_clusters_url(self, valkey: RedisServer) -> None:
        """What answers is a single server."""
        probe = probe_at(valkey.url.replace("redis:", "redis+cluster:").removesuffix("/0"))
        assert refusal(probe.reach).reason.fault in {StoreFault.CLUSTER_DOWN, StoreFault.CONNECTION}


@pytest.mark.sockets
def test_in_a_cluster(tmp_path: Path) -> None:
    """All is well with one right more, which is named where it is missing."""
    with cluster(tmp_path) as nodes:
        for one in nodes.nodes:
            one.ask("ACL", "SETUSER", "prober", *ALLOWED, "+cluster|slots")
        url = nodes.url.replace("://", f"://prober:{PASSWORD}@")
        assert probe_at(url).run_scripts()
        assert not any(one.ask("DBSIZE") for one in nodes.nodes)
        for one in nodes.nodes:
            one.ask("ACL", "SETUSER", "prober", "-cluster|slots")
        assert refusal(probe_at(url).run_scripts).reason.detail == "cluster|slots"


def test_every_command_of_the_scripts_is_tried() -> None:
    """A new command in a script needs its row; without PUBLISH no script fails."""
    folder = resources.files("broker.store") / "lua"
    text = "".join(Path(str(file)).read_text("utf-8") for file in folder.iterdir())
    called = set(re.findall(r"redis\.p?call\('([A-Z]+)'", text)) - {"PUBLISH"}
    assert called | {"INFO"} == {words[0] for words in COMMANDS.values()}
    assert [words[0].lower() for words in COMMANDS.values()] == list(COMMANDS)


def test_every_script_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one as well."""
    tried: set[str] = set()
    run = Scripts.run

    def note(self: Scripts, name: str, *arguments: Any) -> Any:
        tried.add(name)
        return run(self, name, *arguments)

    monkeypatch.setattr(Scripts, "run", note)
    open_trial(fakeredis.FakeRedis(), "test", Limits(), SystemClock()).play()
    assert tried == set(NAMES)


def test_without_a_limit_nothing_is_dropped() -> None:
    """Whatever the policy."""
    assert not Server("Redis", "7.0.15", 0, "allkeys-lru").may_evict
    assert not Server("Redis", "7.0.15", 1, "noeviction").may_evict
    assert Server("Redis", "7.0.15", 1, "volatile-ttl").may_evict
