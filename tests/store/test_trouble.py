"""What Redis answers, word for word, and what redis-py raises: each by its word of the table."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from redis import exceptions as theirs
from redis.sentinel import MasterNotFoundError

from broker.errors import StoreUnavailableError
from broker.store.trouble import reason_of
from broker.store_faults import BY_CODE, TABLE, Reason, StoreFault, read_reason
from tests.redis.nodes import open_store

SCRIPT = "script: 9954477250181229462b09e35e1a1bf1c853dcf3, on @user_script:1."
IN_SIX = "ERR Error running script (call to f_9954): @user_script:1: @user_script: 1: "
REPLIES = [
    # Valkey 9.1.2, Redis 7.0.15 to 8.2.3
    (f"OOM command not allowed when used memory > 'maxmemory'. {SCRIPT}", "out_of_memory"),
    (f"NOREPLICAS Not enough good replicas to write. {SCRIPT}", "too_few_replicas"),
    (f"MISCONF Redis is configured to save RDB snapshots, but it's. {SCRIPT}", "cannot_persist"),
    (f"READONLY You can't write against a read only replica. {SCRIPT}", "read_only"),
    ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set.", "read_only"),
    (
        "ERR ACL failure in script: User u has no permissions to run the 'hset' command script: on",
        "permission:hset",
    ),
    (f"ERR The user executing the script can't run this command {SCRIPT}", "permission"),
    ("NOPERM User u has no permissions to run the 'evalsha' command", "permission:evalsha"),
    (
        "NOPERM User u may not: no permissions to run the 'config|get' command",
        "permission:config|get",
    ),
    (f"ERR ACL failure in script: No permissions to access a key {SCRIPT}", "keys"),
    ("NOPERM No permissions to access a key", "keys"),
    ("NOPERM this user has no permissions to access one of the keys used as arguments", "keys"),
    (
        f"ERR The user executing the script can't access at least one of the keys {SCRIPT}",
        "keys",
    ),
    (f"ERR Unknown Redis command called from script {SCRIPT}", "renamed"),
    ("ERR Unknown command called from script script: on @user_script:1.", "renamed"),
    ("ERR unknown command 'EVALSHA', with args beginning with: 'a' '0' ", "renamed:evalsha"),
    ("BUSY Valkey is busy running a script. You can only call SCRIPT KILL", "busy"),
    ("LOADING Redis is loading the dataset in memory", "loading"),
    ("MOVED 12706 127.0.0.1:7001", "moved"),
    ("CLUSTERDOWN Hash slot not served", "cluster_down"),
    ("DENIED Redis is running in protected mode because protected mode is", "protected_mode"),
    ("ERR max number of clients reached", "max_clients"),
    ("ERR max number of clients + cluster connections reached", "max_clients"),
    ("NOAUTH Authentication required.", "login"),
    ("ERR Protocol error: unauthenticated multibulk length", "login"),
    ("WRONGPASS invalid username-password pair or user is disabled.", "login"),
    # Redis 6.0 and 6.2
    (f"{IN_SIX}-OOM command not allowed when used memory > 'maxmemory'.", "out_of_memory"),
    (f"{IN_SIX}-MISCONF Redis is configured to save RDB snapshots", "cannot_persist"),
    (f"{IN_SIX}-READONLY You can't write against a read only replica.", "read_only"),
    (f"{IN_SIX}The user executing the script can't run this command or subcommand", "permission"),
    ("ERR unknown command `EVAL`, with args beginning with: `return 1`, ", "renamed:eval"),
    # What is not in the table
    ("TRYAGAIN Multiple keys request during rehashing of slot", "unknown:TRYAGAIN"),
    ("EXTRAORDINARY the canary sings", "unknown:EXTRAORDINARY"),
    (f"ERR the canary sings {SCRIPT}", "unknown:ERR"),
    ("the canary sings", "unknown:ResponseError"),
]


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """Yield the URL of what gives this reply to whatever it is asked, once a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(10)
                        connection.recv(65536)
                        connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def failure(url: str) -> StoreUnavailableError:
    """Return how the broker's store fails there."""
    with pytest.raises(StoreUnavailableError) as caught:
        open_store(url).read(0)
    return caught.value


@pytest.mark.sockets
@pytest.mark.parametrize(("reply", "reason"), REPLIES)
def test_an_answer_of_redis_has_its_word(reply: str, reason: str) -> None:
    """And is named, not guessed, where it is not known; nothing else of it is repeated."""
    with answering(f"-{reply}\r\n".encode()) as url:
        error = failure(url)
    assert str(error.reason) == reason
    assert str(error) == f"Redis failed: {reason}"


@pytest.mark.sockets
def test_what_is_not_redis_is_told() -> None:
    """A web server, for example."""
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        assert str(failure(url).reason) == "not_redis"


@pytest.mark.sockets
def test_an_address_where_nobody_listens() -> None:
    """At the port, or at the socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}"
    assert str(failure(url).reason) == "refused"
    assert str(failure("unix:///nowhere/redis").reason) == "refused"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(), "name_unknown"),
        (ssl.SSLCertVerificationError(), "certificate"),
        (ssl.SSLError(), "tls"),
        (ConnectionRefusedError(), "refused"),
        (TimeoutError(), "timeout"),
        (MasterNotFoundError(), "no_primary"),
        (theirs.AuthenticationError(), "login"),
        (theirs.SlotNotCoveredError(), "cluster_down"),
        (theirs.ConnectionError(), "connection"),
        (ValueError(), "unknown:ValueError"),
    ],
)
def test_the_cause_beneath_counts(error: Exception, reason: str) -> None:
    """As redis-py wraps it."""
    wrapped = theirs.ConnectionError() if isinstance(error, OSError) else theirs.RedisError()
    wrapped.__cause__ = error
    assert str(reason_of(error)) == reason
    if "unknown" not in reason or isinstance(error, OSError):
        assert str(reason_of(wrapped)) == reason


@pytest.mark.parametrize("fault", list(StoreFault))
def test_every_fault_has_its_sentences(fault: StoreFault) -> None:
    """With a command or code and without; each is one sentence or two, and nothing is left open."""
    for reason in (Reason(fault), Reason(fault, "hset,pttl")):
        for text in (reason.sentence, reason.remedy("tokens")):
            assert re.fullmatch(r"[A-Z][^{}]*\.", text)
        assert read_reason(str(reason)) == reason
    if fault in {StoreFault.PERMISSION, StoreFault.RENAMED, StoreFault.UNKNOWN}:
        assert "hset, pttl" in Reason(fault, "hset,pttl").sentence


def test_the_remedy_for_rights_is_the_rule() -> None:
    """To be pasted."""
    assert "+hset +pttl" in Reason(StoreFault.PERMISSION, "hset,pttl").remedy()
    assert "`broker check`" in Reason(StoreFault.PERMISSION).remedy()
    assert "~tokens:*" in Reason(StoreFault.KEYS).remedy("tokens")


def test_what_never_passes_by_itself() -> None:
    """It is an error in the log; the rest are warnings."""
    lasting = {fault for fault, row in TABLE.items() if row.lasts}
    assert lasting == {
        StoreFault.LOGIN,
        StoreFault.PERMISSION,
        StoreFault.KEYS,
        StoreFault.CHANNELS,
        StoreFault.CERTIFICATE,
        StoreFault.RENAMED,
        StoreFault.MOVED,
        StoreFault.PROTECTED_MODE,
    }


@pytest.mark.parametrize("text", ["", "canary", "permission:can ary", "unknown:\n", "renamed:1"])
def test_what_is_no_reason_becomes_an_unknown_one(text: str) -> None:
    """As a sibling of another version may tell it; nothing of it is repeated."""
    assert read_reason(text) == Reason(StoreFault.UNKNOWN)


def test_the_table_is_on_the_page() -> None:
    """Each word with its codes and its sentences."""
    page = Path(__file__).parents[2].joinpath("docs", "redis.md").read_text("utf-8")
    for fault, row in TABLE.items():
        (line,) = re.findall(rf"^\| `{fault}` \|.*$", page, re.MULTILINE)
        assert Reason(fault).sentence in line
        assert Reason(fault).remedy("PREFIX") in line
        assert all(f"`{code}`" in line for code in row.codes)
        assert ("error" in line.split("|")[2]) == row.lasts
    assert set(BY_CODE) <= set(re.findall(r"`([A-Z]+)`", page))
