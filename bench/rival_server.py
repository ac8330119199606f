"""One rival under gunicorn, with the broker's own options for it.

    python -m bench.rival_server KIND WORKER FOLDER

Reads ``BROKER_BIND``, ``BROKER_THREADS`` and ``BROKER_REDIS_URL``; ends on SIGTERM.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from bench.rivals import Bare, Sample, by_hand, flask_view
from bench.wire import Asker
from broker.settings import load, load_inputs
from broker.web.malformed import MALFORMED
from broker.web.runtime import make_runtime_folder
from broker.web.server import options

SAMPLE = "sample.json"
CALLERS = "askers.json"
OURS, STOCK = "ours", "gthread"
"""The broker's own worker class, and the one that it derives from."""
_OF_THE_SERVICE = "worker_exit"


class RivalServer(BaseApplication):
    """gunicorn with everything as the broker has it, but for the application."""

    def __init__(self, kind: str, worker: str, folder: Path) -> None:
        self._kind = kind
        self._folder = folder
        self._chosen = _options(worker)
        super().__init__()

    def load_config(self) -> None:
        """Take over the broker's options."""
        for name, value in self._chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application; called in the worker, which looks for what refuses in it."""
        app = self._application()
        app.extensions[MALFORMED] = None
        return app

    def _application(self) -> Bare | Flask:
        match self._kind:
            case "bare":
                return Bare(Sample.load(self._folder / SAMPLE))
            case "flask":
                return flask_view(Sample.load(self._folder / SAMPLE))
            case "by-hand":
                askers = json.loads((self._folder / CALLERS).read_text("utf-8"))
                return by_hand([Asker(*one) for one in askers], os.environ["BROKER_REDIS_URL"])
            case _:
                raise ValueError(f"there is no rival {self._kind}")


def _options(worker: str) -> dict[str, Any]:
    names = ("BROKER_BIND", "BROKER_THREADS", "BROKER_REDIS_URL")
    environ = {name: os.environ[name] for name in names if name in os.environ}
    unused = {"BROKER_CONSUMER": "c0" * 32, "BROKER_SECRET_KEY": f"{0:08}-0000-4000-8000-{0:012}"}
    settings = load({**environ, **unused, "BROKER_WORKERS": "1", "BROKER_CALLER_AUTH": "none"})
    folder = make_runtime_folder(None, 1)
    chosen = options(settings, load_inputs(settings), folder)
    del chosen[_OF_THE_SERVICE]
    if worker == STOCK:
        chosen["worker_class"] = STOCK
    return chosen


if __name__ == "__main__":
    RivalServer(sys.argv[1], sys.argv[2], Path(sys.argv[3])).run()
