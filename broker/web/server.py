"""The service under gunicorn, from the settings alone."""

import os
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from broker.settings import Inputs, Settings
from broker.web.app import SERVICE, create_app
from broker.web.logs import logging_config
from broker.web.worker import BrokerWorker

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # heartbeats of workers, not data
_KEEP_ALIVE = 75
_REQUEST_LINE = 2048
_HEADER_BYTES = 8190
_HEADERS = 64


class QuietLogger(Logger):
    """gunicorn's logger without its line per request, which would repeat the query."""

    def access(self, *arguments: Any, **named: Any) -> None:
        """Write nothing."""


class BrokerServer(BaseApplication):
    """gunicorn with this application; ``run`` returns when it has been stopped.

    The files are read before the fork: a worker that is started later, while a file is broken,
    begins with the last good version. Threads and clients are made after the fork.
    """

    def __init__(self, settings: Settings, inputs: Inputs) -> None:
        self._settings = settings
        self._inputs = inputs
        super().__init__()

    def load_config(self) -> None:
        """Set what gunicorn calls its settings; its own files and environment are not read."""
        for name, value in options(self._settings).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return a new application; called in each worker."""
        return create_app(self._settings, self._inputs)


def options(settings: Settings) -> dict[str, Any]:
    """Return gunicorn's settings.

    No control socket: it needs a writable directory. No preloading: threads and clients do not
    survive a fork. ``timeout`` watches a worker's main loop; every Redis and upstream call carries
    its own limit.
    """
    return {
        "bind": list(settings.bind),
        "workers": settings.workers,
        "worker_class": BrokerWorker,
        "threads": settings.threads,
        "timeout": 30,
        "graceful_timeout": int(settings.graceful_timeout),
        "keepalive": _KEEP_ALIVE,
        "limit_request_line": _REQUEST_LINE,
        "limit_request_field_size": _HEADER_BYTES,
        "limit_request_fields": _HEADERS,
        "control_socket_disable": True,
        "worker_tmp_dir": str(_SHARED_MEMORY) if os.access(_SHARED_MEMORY, os.W_OK) else None,
        "proc_name": "canvas-token-broker",
        "logger_class": QuietLogger,
        "logconfig_dict": logging_config(settings.log_level),
        "post_worker_init": _start_service,
        "worker_exit": _stop_service,
    }


def _start_service(worker: Any) -> None:
    worker.wsgi.extensions[SERVICE].start()


def _stop_service(server: Any, worker: Any) -> None:
    del server
    app = getattr(worker, "wsgi", None)
    if app is not None:
        app.extensions[SERVICE].stop()
