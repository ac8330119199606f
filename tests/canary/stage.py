"""A whole broker in this process, on a real Valkey and the emulator, all of it overheard.

Its upstream client and record store are wrapped so that each exception that leaves them is kept
with the locals of all its frames.
"""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from werkzeug.test import TestResponse

from broker.callers import key_digest
from broker.emulator.canvas import Canvas
from broker.settings import load, load_inputs
from broker.store.fleet_calls import RedisFleetCalls
from broker.store.redis_store import RedisRecordStore
from broker.upstream import CanvasClient
from broker.web.app import SERVICE, create_app
from tests.canary.finder import Everything, Finder, everything
from tests.servers import RedisServer

CONSUMER = "ca11ab1e" * 8
SECRET_KEY = "ca11ab1e-feed-4bee-8fed-ca11ab1efeed"
NEXT_CONSUMER = "deadf00d" * 8
NEXT_SECRET_KEY = "deadf00d-feed-4bee-8fed-deadf00dfeed"
REDIS_PASSWORD = "redis+pass/word=canary"
REDIS_PASSWORD_IN_URL = "redis%2Bpass%2Fword%3Dcanary"
PROXY_PASSWORD = "proxy-password-canary"
KEY = "ctb_the-right-key-of-a-caller-canary"
WRONG_KEY = "ctb_a-wrong-key-of-a-caller-canary"
WRONG_TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
KNOWN = (
    CONSUMER,
    SECRET_KEY,
    NEXT_CONSUMER,
    NEXT_SECRET_KEY,
    REDIS_PASSWORD,
    PROXY_PASSWORD,
    KEY,
    WRONG_KEY,
    WRONG_TOKEN,
)
PATIENCE = 10.0
OLD_ENOUGH = 0.02
HASTE = {
    "BROKER_UPSTREAM_CONNECT_TIMEOUT": "0.75",
    "BROKER_UPSTREAM_TIMEOUT": "1.5",
    "BROKER_LEASE": "11",
    "BROKER_LEASE_RESERVE": "2",
    "BROKER_WAIT": "1",
    "BROKER_REVALIDATE": "0.2",
    "BROKER_BACKOFF_MIN": "0.05",
    "BROKER_BACKOFF_VALID": "0.1",
    "BROKER_BACKOFF_EMPTY": "0.1",
    "BROKER_REPORT_MIN_AGE": "0.01",
    "BROKER_REPORT_INTERVAL": "0.01",
    "BROKER_REDIS_CONNECT_TIMEOUT": "0.6",
    "BROKER_REDIS_TIMEOUT": "1",
    "BROKER_RELOAD_INTERVAL": "0.1",
}
"""Limits that fit each other and let a fault pass quickly.

Redis and Canvas have longer than they take on a busy machine.
"""
SLOW = 2.0
"""Seconds that an answer of Canvas may not take."""
CALLS = (
    (CanvasClient, ("authenticate", "refresh")),
    (
        RedisRecordStore,
        ("read", "acquire", "commit", "commit_spare", "fail", "report", "republish"),
    ),
    (RedisFleetCalls, ("ask",)),
)


def write_keys(directory: Path, consumer: str, secret_key: str) -> None:
    """Write the credentials folder of the one organization."""
    folder = directory / "credentials" / "acme"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "consumer").write_text(consumer)
    (folder / "secret-key").write_text(secret_key)


def write_settings(directory: Path, canvas_url: str, redis_port: int) -> dict[str, str]:
    """Write the files and return the settings, all secrets of them canaries."""
    write_keys(directory, CONSUMER, SECRET_KEY)
    callers = directory / "callers.toml"
    callers.write_text(
        f'[callers.billing]\nkey_sha256 = "{key_digest(KEY)}"\norganizations = ["*"]\n'
    )
    return {
        **HASTE,
        "BROKER_CANVAS_URL": canvas_url,
        "BROKER_CREDENTIALS_DIR": str(directory / "credentials"),
        "BROKER_CALLERS_FILE": str(callers),
        "BROKER_REDIS_URL": f"redis://:{REDIS_PASSWORD_IN_URL}@127.0.0.1:{redis_port}/0",
        "BROKER_REDIS_PREFIX": directory.name,
    }


def minted(canvas: Canvas) -> set[str]:
    """Return every token that the emulator ever gave."""
    return {*canvas._access, *canvas._refresh}


def dump(server: RedisServer, password: str | None = REDIS_PASSWORD) -> str:
    """Return all keys of Redis and what they hold, as they are and serialized."""
    with redis.Redis(host="127.0.0.1", port=server.port, password=password) as client:
        texts = []
        for key in client.scan_iter("*"):
            texts += [key, client.dump(key) or b""]
            if client.type(key) == b"hash":
                held: Any = client.hgetall(key)
                texts += [*held, *held.values()]
        return "\n".join(text.decode("latin-1") for text in texts)


class Stage:
    """The application, its service started, and all that it showed so far."""

    def __init__(self, environ: dict[str, str], finder: Finder, heard: Everything) -> None:
        self.finder = finder
        self.shown: list[str] = []
        self._heard = heard
        settings = load(environ)
        self._app: Flask = create_app(settings, load_inputs(settings))
        self._client = self._app.test_client()

    def get(self, path: str = "/token", key: str = KEY, **query: object) -> TestResponse:
        """Ask, and keep the answer but for the token in it."""
        headers = {"Authorization": f"Bearer {key}"}
        return self._keep(path, self._client.get(path, headers=headers, query_string=query))

    def post(self, key: str, **form: str) -> TestResponse:
        """Ask as an OAuth 2.0 client does, by HTTP Basic; keep the answer as above."""
        answer = self._client.post("/token", auth=("billing", key), data=form)
        return self._keep("/token", answer)

    def _keep(self, path: str, answer: TestResponse) -> TestResponse:
        body = answer.get_data(as_text=True)
        if answer.status_code == 200 and path == "/token":
            body = body.replace((answer.json or {})["access_token"], "")
        self.shown += [answer.status, str(answer.headers), body]
        return answer

    def generation(self) -> int:
        """Wait for a token and return its generation."""
        until = time.monotonic() + PATIENCE
        while (answer := self.get()).status_code != 200:
            assert time.monotonic() < until, answer.get_data(as_text=True)
        return int((answer.json or {})["generation"])

    def refuse(self, generation: int) -> None:
        """Report a token as refused by Canvas, so that it is refreshed; return soon after."""
        time.sleep(OLD_ENOUGH)
        self.get(rejected=generation)

    @property
    def errors(self) -> list[Exception]:
        """Return the exceptions that left the upstream client and the record store."""
        return self._heard.errors

    def look_around(self) -> None:
        """Ask all that operators and strangers ask."""
        for path in ("/health", "/health/ready", "/health/live", "/metrics", "/status", "/nowhere"):
            self.get(path)
        self.get(key=WRONG_KEY)
        self.get(key="", access_token=WRONG_KEY)
        self.get(f"/{WRONG_KEY}")
        self.get(organization=WRONG_KEY)
        self.get(min_ttl=WRONG_KEY)
        self.get(key=WRONG_TOKEN)
        self.post(KEY, grant_type="client_credentials")
        self.post(WRONG_KEY, grant_type="client_credentials", scope=WRONG_KEY)
        self.post("", grant_type=WRONG_KEY, client_id=WRONG_KEY, client_secret=WRONG_KEY)
        self.post("", grant_type=JWT_BEARER, assertion=WRONG_TOKEN)

    def leaks(self) -> list[str]:
        """Return what can be found in answers, logs and exceptions."""
        return self.finder.leaks("\n".join([*self.shown, *self._heard.lines]))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the service, and stop it in any case."""
        service = self._app.extensions[SERVICE]
        service.start()
        try:
            yield
        finally:
            service.stop()


def overhear(monkeypatch: pytest.MonkeyPatch) -> Everything:
    """Keep what is logged anywhere, and the exceptions that leave the adapters."""
    heard = Everything()
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers, heard])
    monkeypatch.setattr(root, "level", logging.DEBUG)
    root.manager._clear_cache()  # type: ignore[attr-defined] # levels are remembered there
    for owner, names in CALLS:
        for name in names:
            monkeypatch.setattr(owner, name, _overheard(getattr(owner, name), heard))
    return heard


def _overheard(call: Callable[..., Any], heard: Everything) -> Callable[..., Any]:
    @functools.wraps(call)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        try:
            return call(*arguments, **named)
        except Exception as error:
            heard.errors.append(error)
            heard.lines.append(everything(error))
            raise

    return wrapped
