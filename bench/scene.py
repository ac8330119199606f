"""One broker with its Canvas, its organizations and its callers, and what they ask."""

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bench.builds import PRESENT, Build
from bench.engine import NUMBER, client_of
from bench.report import WrongAnswer
from bench.rivals import Sample
from bench.rounds import Candidate
from bench.wire import Asker, get_token, java_get_token, post_token
from broker.callers import new_key
from broker.emulator.canvas import Behaviour, Canvas
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import BrokerProcess
from tests.integration.wire import Answer, Wire
from tests.kubernetes.cluster import AUDIENCE, Cluster
from tests.redis.certificates import LOOPBACK, Authority

START_LIMIT = 300.0
SCHEME = "bearer"
ALLOCATOR = {"MALLOC_ARENA_MAX": "1"}
"""What the image sets: all is measured as it is deployed."""
CHECKED = 20
"""Callers whose answers are read before each run."""
TRACED = (b"X-Request-ID: " + NUMBER, b"traceparent: 00-" + NUMBER * 2 + b"-" + NUMBER + b"-01")
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


def ask(
    port: int, path: str, headers: Mapping[str, str], tls: ssl.SSLContext | None = None
) -> Reply:
    """Ask once on a connection of its own; raises ``OSError`` or ``HTTPException``."""
    began, place = time.monotonic(), ("127.0.0.1", port)
    connection = (
        http.client.HTTPConnection(*place, timeout=_REQUEST_LIMIT)
        if tls is None
        else http.client.HTTPSConnection(*place, timeout=_REQUEST_LIMIT, context=tls)
    )
    try:
        connection.request("GET", path, headers=dict(headers))
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
    authority: str | None

    def gets(self, query: str = "") -> list[bytes]:
        """Return one ``GET /token`` of each caller; it leaves out its only organization."""
        return [get_token(one, query) for one in self.askers]

    def gets_named(self) -> list[bytes]:
        """Return the same, each naming its organization."""
        return [get_token(one, f"organization={one.organization}") for one in self.askers]

    def gets_by_account(self) -> list[bytes]:
        """Return the same, each with the token of the service account that it runs as."""
        return [get_token(one.by_account()) for one in self.askers]

    def gets_of_java(self) -> list[bytes]:
        """Return the same as Java's client sends it."""
        return [java_get_token(one) for one in self.askers]

    def gets_traced(self) -> list[bytes]:
        """Return the same with an id and a trace of its own each time that it is sent."""
        return [get_token(one, headers=TRACED) for one in self.askers]

    def posts(self) -> list[bytes]:
        """Return one request to the token endpoint of each caller."""
        return [post_token(one) for one in self.askers]

    def candidate(self, name: str, requests: list[bytes] | None = None) -> Candidate:
        """Return what is measured: these requests, one of each caller, by default ``gets``."""
        requests = self.gets() if requests is None else requests
        check = partial(self.check, requests)
        return Candidate(name, self.broker, requests, check, authority=self.authority)

    def warm_up(self) -> None:
        """Wait until every organization has its token; their callers begin to ask."""
        until = time.monotonic() + START_LIMIT
        for asker in self.askers[: self.organizations]:
            while (reply := self.get(asker)) is None or reply.status != HTTPStatus.OK:
                if time.monotonic() > until:
                    raise WrongAnswer(f"no token for {asker.organization} in time")
                time.sleep(0.05)

    def ask(self, path: str, key: str = "") -> Reply:
        """Ask once, with or without a key; raises ``OSError`` or ``HTTPException``."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return ask(self.broker.port, path, headers, client_of(self.authority))

    def get(self, asker: Asker) -> Reply | None:
        """Ask as a caller does; None while nothing answers."""
        try:
            return self.ask("/token", asker.key)
        except (OSError, http.client.HTTPException):
            return None

    def sample(self) -> Sample:
        """Return a real answer."""
        reply = self.get(self.askers[0])
        if reply is None:
            raise WrongAnswer("the broker does not answer")
        return Sample.of(reply.body, reply.headers)

    def check(self, requests: list[bytes]) -> None:
        """Send what some callers send; raises :class:`~bench.report.WrongAnswer`."""
        step = max(1, len(requests) // CHECKED)
        with Wire(self.broker.port, client_of(self.authority), limit=_REQUEST_LIMIT) as wire:
            for asker, request in list(zip(self.askers, requests, strict=True))[::step]:
                self._check(asker, wire.send(request).answer())

    def check_refusals(self) -> None:
        """Show that keys are really looked at."""
        if (status := self.ask("/token", "nobody").status) != HTTPStatus.UNAUTHORIZED:
            raise WrongAnswer(f"a stranger was answered {status}")

    def calls(self) -> int:
        """Return how often Canvas was called."""
        found: Any = self.emulator.stats()["calls"]
        return int(found["authenticate"]) + int(found["refresh"])

    def _check(self, asker: Asker, answer: Answer) -> None:
        if answer.status != HTTPStatus.OK:
            raise WrongAnswer(f"{asker.name}: {answer.status}")
        got = answer.body
        right = got["organization"] == asker.organization and got["token_type"].lower() == SCHEME
        if not right or not self.emulator.canvas.whoami(got["access_token"]):
            raise WrongAnswer(f"{asker.name}: not a living token of {asker.organization}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a scene is made of; ``callers`` None is as many as the plan says.

    With ``accounts`` each caller can show the token of a service account as well.
    """

    build: Build = PRESENT
    organizations: int = 1
    callers: int | None = None
    workers: int = 1
    accounts: bool = False
    tls: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    behaviour: Behaviour = field(default_factory=Behaviour)
    canvas: type[Canvas] = Canvas


def prepare(folder: Path, redis_url: str, script: Script, cluster: Cluster | None) -> Scene:
    """Write the files of a broker that is not started yet."""
    organizations = script.organizations
    keys = {f"{n:064x}": f"00000000-0000-4000-8000-{n:012x}" for n in range(organizations)}
    names = {consumer: f"org-{n}" for n, consumer in enumerate(keys)}
    for consumer, secret_key in keys.items():
        place = folder / "credentials" / names[consumer]
        place.mkdir(parents=True)
        (place / "consumer").write_text(consumer)
        (place / "secret-key").write_text(secret_key)
    emulator = EmulatorServer(script.canvas(keys, names=names, behaviour=script.behaviour))
    authority = Authority(folder, "ours") if script.tls else None
    askers = _write_callers(folder / "callers.toml", script, cluster)
    environ = {
        **ALLOCATOR,
        "BROKER_REDIS_URL": redis_url,
        "BROKER_CANVAS_URL": emulator.url,
        "BROKER_CREDENTIALS_DIR": str(folder / "credentials"),
        "BROKER_CALLERS_FILE": str(folder / "callers.toml"),
        "BROKER_WORKERS": str(script.workers),
        **(_trust(cluster) if cluster else {}),
        **(_certificate(authority) if authority else {}),
        **script.settings,
    }
    broker = BrokerProcess(environ, folder / "log")
    broker.command = script.build.command
    trusted = str(authority.file) if authority else None
    return Scene(broker, emulator, askers, organizations, trusted)


def _write_callers(path: Path, script: Script, cluster: Cluster | None) -> list[Asker]:
    """Write the callers file: each caller may use one organization, in turn."""
    askers, lines = [], []
    for number in range(max(script.callers or 0, script.organizations)):
        key, digest = new_key()
        name, organization = f"caller-{number}", f"org-{number % script.organizations}"
        lines.append(f'[callers.{name}]\nkey_sha256 = "{digest}"\n')
        lines.append(f'organizations = ["{organization}"]\n')
        token = ""
        if cluster is not None:
            lines.append(f'service_account = "bench:{name}"\n')
            token = cluster.token(sub=f"system:serviceaccount:bench:{name}")
        askers.append(Asker(name, key, organization, token))
    path.write_text("".join(lines))
    return askers


def _trust(cluster: Cluster) -> dict[str, str]:
    return {
        "BROKER_KUBERNETES_AUDIENCE": AUDIENCE,
        "BROKER_KUBERNETES_JWKS_URL": cluster.jwks_url,
        "BROKER_KUBERNETES_TOKEN_HOST": "127.0.0.1",
        "BROKER_KUBERNETES_TOKEN_FILE": str(cluster.own_token_file),
        "BROKER_KUBERNETES_CA_FILE": str(cluster.ca_file),
    }


def _certificate(authority: Authority) -> dict[str, str]:
    pair = authority.server(LOOPBACK)
    return {"BROKER_TLS_CERT_FILE": str(pair.certificate), "BROKER_TLS_KEY_FILE": str(pair.key)}
