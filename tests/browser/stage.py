"""The real page beside a `/health` that the test makes, on a server of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from flask import Flask, Response, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from broker.web.status import status_view
from tests.browser.scenes import Body, fresh

BOUND = 30.0
PREFIX = "/behind/a/proxy"


class Stage:
    """What `/health` answers is ``body``; ``answers`` cleared makes it hang, ``broken`` fail.

    ``asked`` counts the requests that have come, ``queries`` are theirs; each of them puts an entry
    into ``arrivals``.
    """

    def __init__(self) -> None:
        self.body: Body = fresh()
        self.broken = False
        self.asked = 0
        self.queries: list[str] = []
        self.arrivals: SimpleQueue[int] = SimpleQueue()
        self.answers = threading.Event()
        self.answers.set()
        self.url = ""

    def wait_for_request(self, number: int) -> None:
        """Wait until so many have come: a browser tells of a request before it has sent it."""
        while self.arrivals.get(timeout=BOUND) < number:
            pass

    def health(self) -> Response:
        """Answer as the test wants it."""
        self.asked += 1
        self.queries.append(request.query_string.decode())
        self.arrivals.put(self.asked)
        self.answers.wait(BOUND)
        if self.broken:
            return Response("<h1>Bad Gateway</h1>", 502)
        status = 503 if self.body["status"] == "fail" else 200
        return Response(json.dumps(self.body), status, mimetype="application/health+json")

    def app(self) -> Flask:
        """Return the page and the health beside it, at the root and below a prefix."""
        app = Flask("stage", static_folder=None)
        app.register_blueprint(status_view())
        app.add_url_rule("/health", view_func=self.health)
        inner = app.wsgi_app
        app.wsgi_app = DispatcherMiddleware(inner, {PREFIX: inner})  # type: ignore[method-assign] # Flask's own advice
        return app


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  # its name there
        """Write nothing."""


@contextmanager
def opened() -> Iterator[Stage]:
    """Serve a stage on a free port of loopback."""
    stage = Stage()
    server = make_server("127.0.0.1", 0, stage.app(), threaded=True, request_handler=_Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined] # the threaded server has it
    stage.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield stage
    finally:
        stage.answers.set()
        server.shutdown()
        thread.join(BOUND)
        server.server_close()
