"""A caller that was taken out of the file is refused once the log has told of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from broker.callers import new_key
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import Deployment
from tests.integration.wire import Wire
from tests.kubernetes.cluster import AUDIENCE, Cluster
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

ROUNDS = 4
TOLD = b'"what": "callers"'
STAYING = '[callers.staying]\nkey_sha256 = "{}"\norganizations = ["acme"]\n'
LEAVING = (
    '[callers.leaving]\nkey_sha256 = "{}"\nservice_account = "shop:orders"\n'
    'organizations = ["acme"]\n'
)
LIMIT = 60.0


class Asking:
    """A client that asks on and on, on one connection, by the same bytes each time."""

    def __init__(self, port: int, request: bytes) -> None:
        self.answers: list[tuple[float, int]] = []
        self._port, self._request = port, request
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with Wire(self._port, limit=LIMIT) as wire:
            while not self._stopped.is_set():
                began = time.monotonic()
                self.answers.append((began, wire.send(self._request).answer().status))

    def wait_for(self, status: int) -> None:
        """Wait until it is answered this."""
        until = time.monotonic() + LIMIT
        while not self.answers or self.answers[-1][1] != status:
            assert time.monotonic() < until, self.answers[-1:]
            assert self._thread.is_alive()
            time.sleep(0.005)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Run an API server."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    with Cluster(folder) as running:
        yield running


def write(path: Path, text: str) -> None:
    """Replace a file at once."""
    coming = path.with_suffix(".new")
    coming.write_text(text)
    coming.replace(path)


class Log:
    """What a broker tells, read as it comes."""

    def __init__(self, path: Path) -> None:
        self._path, self._place = path, 0

    def wait_for(self, words: bytes) -> float:
        """Wait until a new line has these words; return a monotonic instant soon after."""
        until = time.monotonic() + LIMIT
        while time.monotonic() < until:
            lines, end, _ = self._path.read_bytes()[self._place :].rpartition(b"\n")
            self._place += len(lines + end)
            if words in lines:
                return time.monotonic()
            time.sleep(0.001)
        raise AssertionError(words.decode())


def test_no_token_after_its_removal_is_told(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer, cluster: Cluster
) -> None:
    """By key and by service account, by GET and by POST, while all of them ask without a pause."""
    settings = {
        "BROKER_REDIS_PREFIX": tmp_path.name,
        "BROKER_WORKERS": "1",
        "BROKER_RELOAD_INTERVAL": "0.05",
        "BROKER_KUBERNETES_AUDIENCE": AUDIENCE,
        "BROKER_KUBERNETES_JWKS_URL": cluster.jwks_url,
        "BROKER_KUBERNETES_TOKEN_HOST": "127.0.0.1",
        "BROKER_KUBERNETES_TOKEN_FILE": str(cluster.own_token_file),
        "BROKER_KUBERNETES_CA_FILE": str(cluster.ca_file),
    }
    deployment = Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings)
    (stays, digest), (leaves, other) = new_key(), new_key()
    file, staying = tmp_path / "callers.toml", STAYING.format(digest)
    both = staying + LEAVING.format(other)
    write(file, both)
    deployment.key = stays
    form = f"grant_type=client_credentials&client_id=leaving&client_secret={leaves}"
    gets = [
        f"GET /token HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {key}\r\n\r\n"
        for key in (leaves, cluster.token(), stays)
    ]
    post = (
        "POST /token HTTP/1.1\r\nHost: b\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(form)}\r\n\r\n{form}"
    )
    with deployment, ExitStack() as stack:
        deployment.wait_for_token()
        (broker,) = deployment.brokers
        asking = [stack.enter_context(Asking(broker.port, one.encode())) for one in (*gets, post)]
        stayed, left = asking[2], [one for one in asking if one is not asking[2]]
        log = Log(tmp_path / "0.log")
        for _ in range(ROUNDS):
            for one in asking:
                one.wait_for(200)
            write(file, staying)
            told = log.wait_for(TOLD)
            for one in left:
                one.wait_for(401)
            late = [
                began
                for one in left
                for began, status in one.answers
                if status == 200 and told < began
            ]
            assert late == []
            write(file, both)
            log.wait_for(TOLD)
            for one in left:
                one.wait_for(200)
                one.answers.clear()
    assert {status for _, status in stayed.answers} == {200}
