"""One broker with its Canvas, its organizations and its callers, and what they ask."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bench.report import WrongAnswer
from bench.rivals import Sample
from bench.wire import FORM, Asker, get_token, post_token
from broker.callers import new_key
from broker.emulator.canvas import Behaviour, Canvas
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import BrokerProcess

START_LIMIT = 300.0
SCHEME = "bearer"
ALLOCATOR = {"MALLOC_ARENA_MAX": "1"}
"""What the image sets: all is measured as it is deployed."""
CHECKED = 20
"""Callers whose answers are read before each run."""
_REQUEST_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """Return the body's content."""
        return json.loads(self.body)


def ask(port: int, path: str, headers: Mapping[str, str], form: str | None = None) -> Reply:
    """Ask once on a connection of its own; raises ``OSError`` or ``HTTPException``."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_LIMIT)
    try:
        connection.request("GET" if form is None else "POST", path, form, dict(headers))
        with connection.getresponse() as answer:
            body = answer.read()
        return Reply(answer.status, answer.getheaders(), body, time.monotonic() - began)
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Scene:
    """A broker, ready or not; each caller may use one organization."""

    broker: BrokerProcess
    emulator: EmulatorServer
    askers: list[Asker]
    organizations: int

    def gets(self, query: str = "") -> list[bytes]:
        """Return one ``GET /token`` of each caller; it leaves out its only organization."""
        return [get_token(one, query) for one in self.askers]

    def gets_named(self) -> list[bytes]:
        """Return the same, each naming its organization."""
        return [get_token(one, f"organization={one.organization}") for one in self.askers]

    def posts(self) -> list[bytes]:
        """Return one request to the token endpoint of each caller."""
        return [post_token(one) for one in self.askers]

    def warm_up(self) -> None:
        """Wait until every organization has its token; their callers begin to ask."""
        until = time.monotonic() + START_LIMIT
        for asker in self.askers[: self.organizations]:
            while (reply := self.get(asker)) is None or reply.status != HTTPStatus.OK:
                if time.monotonic() > until:
                    raise WrongAnswer(f"no token for {asker.organization} in time")
                time.sleep(0.05)

    def get(self, asker: Asker) -> Reply | None:
        """Ask as a caller does; None while nothing answers."""
        try:
            return ask(self.broker.port, "/token", {"Authorization": f"Bearer {asker.key}"})
        except (OSError, http.client.HTTPException):
            return None

    def sample(self) -> Sample:
        """Return a real answer."""
        reply = self.get(self.askers[0])
        if reply is None:
            raise WrongAnswer("the broker does not answer")
        return Sample.of(reply.body, reply.headers)

    def check_gets(self) -> None:
        """Read what some callers get; raises :class:`~bench.report.WrongAnswer`."""
        for asker in self._some():
            self._check(asker, self.get(asker), "GET")

    def check_posts(self) -> None:
        """Read what some callers get from the token endpoint."""
        for asker in self._some():
            headers = dict(
                line.split(": ", 1)
                for line in post_token(asker).decode().split("\r\n\r\n")[0].split("\r\n")[1:]
            )
            self._check(asker, ask(self.broker.port, "/token", headers, FORM), "POST")

    def check_refusals(self) -> None:
        """Show that keys are really looked at."""
        reply = ask(self.broker.port, "/token", {"Authorization": "Bearer nobody"})
        if reply.status != HTTPStatus.UNAUTHORIZED:
            raise WrongAnswer(f"a stranger was answered {reply.status}")

    def calls(self) -> int:
        """Return how often Canvas was called."""
        found: Any = self.emulator.stats()["calls"]
        return int(found["authenticate"]) + int(found["refresh"])

    def _some(self) -> list[Asker]:
        return self.askers[:: max(1, len(self.askers) // CHECKED)][:CHECKED]

    def _check(self, asker: Asker, reply: Reply | None, how: str) -> None:
        if reply is None or reply.status != HTTPStatus.OK:
            raise WrongAnswer(f"{how}: {reply.status if reply else 'no answer'}")
        got = reply.json()
        right = got["organization"] == asker.organization and got["token_type"].lower() == SCHEME
        if not right or not self.emulator.canvas.whoami(got["access_token"]):
            raise WrongAnswer(f"{how}: not a living token of {asker.organization}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a scene is made of; ``callers`` None is as many as the plan says."""

    organizations: int = 1
    callers: int | None = None
    workers: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)
    behaviour: Behaviour = field(default_factory=Behaviour)


def prepare(folder: Path, redis_url: str, script: Script, callers: int) -> Scene:
    """Write the files of a broker that is not started yet."""
    organizations = script.organizations
    keys = {f"{n:064x}": f"00000000-0000-4000-8000-{n:012x}" for n in range(organizations)}
    names = {consumer: f"org-{n}" for n, consumer in enumerate(keys)}
    for consumer, secret_key in keys.items():
        place = folder / "credentials" / names[consumer]
        place.mkdir(parents=True)
        (place / "consumer").write_text(consumer)
        (place / "secret-key").write_text(secret_key)
    emulator = EmulatorServer(Canvas(keys, names=names, behaviour=script.behaviour))
    askers = _write_callers(folder / "callers.toml", organizations, max(callers, organizations))
    environ = {
        **ALLOCATOR,
        "BROKER_REDIS_URL": redis_url,
        "BROKER_CANVAS_URL": emulator.url,
        "BROKER_CREDENTIALS_DIR": str(folder / "credentials"),
        "BROKER_CALLERS_FILE": str(folder / "callers.toml"),
        "BROKER_WORKERS": str(script.workers),
        **script.settings,
    }
    return Scene(BrokerProcess(environ, folder / "log"), emulator, askers, organizations)


def _write_callers(path: Path, organizations: int, callers: int) -> list[Asker]:
    """Write the callers file: each caller may use one organization, in turn."""
    askers, lines = [], []
    for number in range(callers):
        key, digest = new_key()
        asker = Asker(f"caller-{number}", key, f"org-{number % organizations}")
        askers.append(asker)
        lines.append(f'[callers.{asker.name}]\nkey_sha256 = "{digest}"\n')
        lines.append(f'organizations = ["{asker.organization}"]\n')
    path.write_text("".join(lines))
    return askers
