"""One rival under gunicorn's ``gthread``, with as many threads as the broker has.

    python -m bench.rival_server KIND FOLDER

Reads ``BROKER_BIND`` and ``BROKER_REDIS_URL``; ends on SIGTERM.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from bench.rivals import Sample, bare, by_hand, flask_view
from bench.wire import Asker

SAMPLE = "sample.json"
CALLERS = "askers.json"
_OPTIONS = {
    "worker_class": "gthread",
    "threads": 256,
    "keepalive": 75,
    "control_socket_disable": True,
}


class RivalServer(BaseApplication):
    """gunicorn with one worker."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind = kind
        self._folder = folder
        super().__init__()

    def load_config(self) -> None:
        """Take over what the bench chose."""
        for name, value in {**_OPTIONS, "bind": os.environ["BROKER_BIND"]}.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application; called in the worker."""
        match self._kind:
            case "bare":
                return bare(Sample.load(self._folder / SAMPLE))
            case "flask":
                return flask_view(Sample.load(self._folder / SAMPLE))
            case "by-hand":
                askers = json.loads((self._folder / CALLERS).read_text("utf-8"))
                return by_hand([Asker(*one) for one in askers], os.environ["BROKER_REDIS_URL"])
            case _:
                raise ValueError(f"there is no rival {self._kind}")


if __name__ == "__main__":
    RivalServer(sys.argv[1], Path(sys.argv[2])).run()
