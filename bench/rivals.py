"""What the broker is measured against: the bare server, a Flask view, and one written by hand."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import redis
from flask import Flask, Response, jsonify, request

from bench.wire import Asker

TOKEN_KEY = "bench:token"  # noqa: S105  # where the token lies, not a token
KEPT_BY_SERVER = frozenset({"server", "date", "connection"})
"""Headers that gunicorn adds to every answer."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A real answer of the broker, repeated by those that only pretend to have worked for it."""

    body: bytes
    headers: list[tuple[str, str]]

    @classmethod
    def of(cls, body: bytes, headers: Iterable[tuple[str, str]]) -> Self:
        """Return it without the headers that the server adds by itself."""
        kept = [(n, v) for n, v in headers if n.lower() not in KEPT_BY_SERVER]
        return cls(body, kept)

    def save(self, path: Path) -> None:
        """Write it where a rival reads it."""
        path.write_text(json.dumps({"body": self.body.decode(), "headers": self.headers}), "utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        saved = json.loads(path.read_text("utf-8"))
        return cls(saved["body"].encode(), [(name, value) for name, value in saved["headers"]])


def bare(sample: Sample) -> Callable[[dict[str, Any], Any], list[bytes]]:
    """Return a WSGI function with a static answer: the limit of the server."""
    body, headers = [sample.body], sample.headers

    def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        del environ
        start_response("200 OK", headers)
        return body

    return answer


def flask_view(sample: Sample) -> Flask:
    """Return a Flask application whose view has nothing to do."""
    app = Flask("flask_view", static_folder=None)

    @app.get("/token")
    def token() -> Response:
        return Response(sample.body, headers=sample.headers)

    return app


def by_hand(callers: list[Asker], redis_url: str) -> Flask:
    """Return what a service of an afternoon does: a dictionary of keys, two Redis commands."""
    app = Flask("by_hand", static_folder=None)
    names = {asker.key: asker.name for asker in callers}
    client = redis.Redis.from_url(redis_url, decode_responses=True)

    @app.get("/token")
    def token() -> Response:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or key not in names:
            return Response(status=401)
        stored, left = client.get(TOKEN_KEY), client.ttl(TOKEN_KEY)
        if stored is None:
            return Response(status=503)
        return jsonify(access_token=stored, token_type="Bearer", expires_in=left)  # noqa: S106  # the scheme's name

    return app
