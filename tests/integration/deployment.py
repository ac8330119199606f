"""Real brokers under gunicorn, a real Redis, the emulator over HTTP, and callers."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from broker.callers import new_key
from broker.emulator.server import EmulatorServer
from tests.servers import free_port, suspend

START_LIMIT = 30.0
REQUEST_LIMIT = 10.0
ESTABLISHED = "01"
CONSUMER = "c0" * 32
SECRET_KEY = "00000000-0000-4000-8000-00000000c0de"
SERVE = (sys.executable, "-m", "broker", "serve")


@dataclass(frozen=True)
class Reply:
    """What a caller got; ``began`` and ``ended`` are monotonic instants, status 0 is no answer."""

    status: int
    body: Any
    began: float
    ended: float
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return self.ended - self.began


class BrokerProcess:
    """``broker serve`` in a session of its own; ``command`` may be replaced before a start.

    So may ``output``, the descriptor that standard output and error go to instead of the log.
    ``patience`` is how long a request waits, in seconds.
    """

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self.command: tuple[str, ...] = SERVE
        self.output: int | None = None
        self.patience = REQUEST_LIMIT
        # Tests look at its memory and files, which only root may while debugging is not allowed.
        debugging = {} if os.geteuid() == 0 else {"BROKER_ALLOW_DEBUGGING": "true"}
        self.environ = debugging | environ | {"BROKER_BIND": f"127.0.0.1:{self.port}"}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it; returns at once."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BROKER_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                env=kept | self.environ,
                stdout=log if self.output is None else self.output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def listen_at(self, bind: str) -> None:
        """Listen elsewhere when it is started."""
        self.environ["BROKER_BIND"] = bind

    def log(self) -> str:
        """Return all that it wrote."""
        return self._log.read_text()

    def alive(self) -> bool:
        """Tell whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def master(self) -> int:
        """Return the process id of its master."""
        assert self._process is not None
        return self._process.pid

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        children = Path(f"/proc/{self.master}/task/{self.master}/children")
        return [int(pid) for pid in children.read_text().split()]

    def get(self, path: str, key: str = "", **query: object) -> Reply:
        """Ask once."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.patience)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            connection.request("GET", f"{path}?{urlencode(query)}", headers=headers)
            with connection.getresponse() as answer:
                body = json.loads(answer.read() or b"null")
            ended = time.monotonic()
            return Reply(answer.status, body, began, ended, dict(answer.headers))
        except OSError as error:
            return Reply(0, type(error).__name__, began, time.monotonic())
        finally:
            connection.close()

    def wait_for(self, path: str, enough: Callable[[Reply], bool], key: str = "") -> Reply:
        """Ask again and again until the answer is enough."""
        until = time.monotonic() + START_LIMIT
        while not enough(reply := self.get(path, key)):
            assert time.monotonic() < until, f"{path} answers {reply}\n{self.log()}"
            time.sleep(0.1)
        return reply

    def wait_for_log(self, words: str) -> None:
        """Wait until its log has these words."""
        until = time.monotonic() + START_LIMIT
        while words not in self.log():
            assert time.monotonic() < until, self.log()
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        """Send a signal to the master."""
        assert self._process is not None
        self._process.send_signal(number)

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(40)
        self._process = None
        return code

    def kill(self) -> None:
        """End it with all its workers, whatever state they are in."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
            self._process = None


class Deployment:
    """Several brokers with one Redis and one Canvas, and a caller's key for the organization."""

    def __init__(
        self,
        directory: Path,
        emulator: EmulatorServer,
        redis_url: str,
        *,
        brokers: int = 2,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.emulator = emulator
        self.key, digest = new_key()
        callers = directory / "callers.toml"
        callers.write_text(f'[callers.app]\nkey_sha256 = "{digest}"\norganizations = ["*"]\n')
        self.credentials = directory / "credentials"
        self.write_credentials(CONSUMER, SECRET_KEY)
        self._directory = directory
        self._environ = {
            "BROKER_REDIS_URL": redis_url,
            "BROKER_CANVAS_URL": emulator.url,
            "BROKER_CREDENTIALS_DIR": str(self.credentials),
            "BROKER_CALLERS_FILE": str(callers),
            **(settings or {}),
        }
        self.brokers: list[BrokerProcess] = []
        for number in range(brokers):
            self.add(str(number))

    def add(self, name: str) -> BrokerProcess:
        """Return one more broker; it is started with the others, or by the test."""
        broker = BrokerProcess(self._environ, self._directory / f"{name}.log")
        self.brokers.append(broker)
        return broker

    def write_credentials(self, consumer: str, secret_key: str) -> None:
        """Write the keys of the one organization."""
        folder = self.credentials / "acme"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "consumer").write_text(consumer)
        (folder / "secret-key").write_text(secret_key)

    def token(self, **query: object) -> Reply:
        """Ask the first broker for the token."""
        return self.brokers[0].get("/token", self.key, **query)

    def wait_for_token(self) -> Reply:
        """Wait until every broker gives a token; return the first one's."""
        replies = [b.wait_for("/token", lambda r: r.status == 200, self.key) for b in self.brokers]
        return replies[0]

    def wait_for_newer(self, generation: int) -> Reply:
        """Wait until the first broker gives a token newer than ``generation``."""
        return self.brokers[0].wait_for(
            "/token", lambda r: r.status == 200 and r.body["generation"] > generation, self.key
        )

    def is_alive(self, token: str) -> bool:
        """Ask the emulator, playing Canvas's business API, whether a token works."""
        return self.emulator.canvas.whoami(token)

    def suspend_holder(self) -> tuple[BrokerProcess, int]:
        """Suspend the worker whose call Canvas holds; return it and its broker.

        All workers are stopped before any is looked at: a call ends at its limit, and to look takes
        longer than that on a busy machine. Where a call may end before its worker is stopped, let
        Canvas hold every one: the next is tried then.
        """
        until, ended = time.monotonic() + START_LIMIT, 0
        while True:
            workers = [(broker, pid) for broker in self.brokers for pid in broker.workers()]
            self.emulator.wait_held(ended + 1, until - time.monotonic())
            for _, pid in workers:
                os.kill(pid, signal.SIGSTOP)
            for _, pid in workers:
                suspend(pid)
            connected = _inodes_connected_to(self.emulator.port)
            holder = next((one for one in workers if _sockets_of(one[1]) & connected), None)
            ended = self.emulator.controls.gate.held
            for worker in workers:
                if worker is not holder:
                    os.kill(worker[1], signal.SIGCONT)
            if holder is not None:
                return holder

    def holder(self) -> tuple[BrokerProcess, int]:
        """Return the broker and the worker whose request Canvas holds."""
        broker, pid = self.suspend_holder()
        os.kill(pid, signal.SIGCONT)
        return broker, pid

    def calls(self) -> dict[str, int]:
        """Return how often Canvas was called, by kind."""
        found: Any = self.emulator.stats()["calls"]
        return {"authenticate": found["authenticate"], "refresh": found["refresh"]}

    @contextmanager
    def hammering(self, threads: int = 6, pause: float = 0.05) -> Iterator[list[Reply]]:
        """Let callers ask all the time, spread over the brokers; collect what they get."""
        replies: list[Reply] = []
        stopped = threading.Event()

        def ask(number: int) -> None:
            broker = self.brokers[number % len(self.brokers)]
            while not stopped.wait(pause):
                replies.append(broker.get("/token", self.key))

        callers = [threading.Thread(target=ask, args=(n,)) for n in range(threads)]
        for caller in callers:
            caller.start()
        try:
            yield replies
        finally:
            stopped.set()
            for caller in callers:
                caller.join()

    def __enter__(self) -> Self:
        for broker in self.brokers:
            broker.start()
        return self

    def __exit__(self, *_: object) -> None:
        for broker in self.brokers:
            broker.kill()


def _sockets_of(pid: int) -> set[str]:
    with suppress(OSError):
        found = map(_target_of, Path(f"/proc/{pid}/fd").iterdir())
        return {target[8:-1] for target in found if target.startswith("socket:[")}
    return set()


def _target_of(descriptor: Path) -> str:
    """Return what a descriptor is; others come and go while this one is looked at."""
    with suppress(OSError):
        return str(descriptor.readlink())
    return ""


def _inodes_connected_to(port: int) -> set[str]:
    remote = f"0100007F:{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[2] == remote and row[3] == ESTABLISHED}
