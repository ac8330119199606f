"""The service under gunicorn, from the settings alone."""

import gc
import logging
import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger

from broker.listener.link import Link
from broker.metrics.directory import forget
from broker.metrics.meters import master_log_losses
from broker.pod.state import PodState
from broker.settings import Inputs, ManagementTls, Settings
from broker.settings.host import (
    MANAGEMENT_CONNECTIONS,
    MANAGEMENT_THREADS,
    connections,
    open_files,
)
from broker.web.app import SERVICE, create_app
from broker.web.event_worker import EventWorker
from broker.web.logs import logging_config, standard_output
from broker.web.master import Master
from broker.web.runtime import RuntimeFolder, make_runtime_folder
from broker.web.tls import tls_options

_log = logging.getLogger(__name__)
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # heartbeats of workers, not data


def _placed(level: str) -> Callable[..., None]:
    def log(self: Logger, *arguments: object, **named: Any) -> None:
        getattr(self.error_log, level)(*arguments, stacklevel=2, **named)

    return log


class PlacedLogger(Logger):
    """gunicorn's logger, whose lines name the place that says them; it has none for a request."""

    critical, error, warning, info, debug, exception = map(
        _placed, ("critical", "error", "warning", "info", "debug", "exception")
    )

    def access(self, *arguments: Any, **named: Any) -> None:
        """Write nothing: requests have lines of the broker's own."""


class BrokerServer(BaseApplication):
    """gunicorn with this application; ``run`` returns when it has been stopped.

    The files are read before the fork: a worker that is started later, while a file is broken,
    begins with the last good version. Threads and clients are made after the fork; the one that
    writes the log is there before, too, and each worker has its own.
    """

    def __init__(self, settings: Settings, inputs: Inputs) -> None:
        self._settings = settings
        self._inputs = inputs
        self._folder = make_runtime_folder(settings.runtime_dir, settings.workers)
        self._state = PodState(settings.workers)
        self._next_look = 0.0
        self._management = Config()
        self._link = Link(settings.listener, addresses(settings))
        self._bind = [f"fd://{one}" for one in self._link.take()]
        super().__init__()

    def load_config(self) -> None:
        """Set what gunicorn calls its settings; its own files and environment are not read."""
        chosen = options(self._settings, self._inputs, self._folder)
        chosen["bind"] = self._bind or chosen["bind"]
        for name, value in chosen.items():
            self.cfg.set(name, value)
        for name, value in {**chosen, **management_options(self._settings)}.items():
            self._management.set(name, value)
        self.cfg.set("pre_fork", self._prepare_worker)
        self.cfg.set("post_fork", self._begin_worker)
        self.cfg.set("post_worker_init", self._start_worker)
        self.cfg.set("child_exit", self._forget_worker)

    def _prepare_worker(self, server: Any, worker: Any) -> None:
        worker.slot = self._state.reserve([one.slot for one in server.WORKERS.values()])
        worker.management = self._management
        worker.trusted_proxies = self._settings.trusted_proxies or ()

    def _begin_worker(self, server: Any, worker: Any) -> None:
        del server
        self._folder.release()
        self._link.close()
        self._state.take(worker.slot)

    def _start_worker(self, worker: Any) -> None:
        service = worker.wsgi.extensions[SERVICE]
        worker.may_accept = service.readiness.may_accept
        worker.is_draining = lambda: self._state.draining
        service.start()
        _keep_what_is_there(worker)
        self._state.note_boot()

    def _forget_worker(self, server: Any, worker: Any) -> None:
        """Keep what an ended worker counted, and forget what it said; runs in the master."""
        del server
        forget(worker.pid)
        self._state.empty(worker.slot)

    def keep_up(self) -> None:
        """Take over what is new in the files, for workers that are started later; in the master.

        The workers do so for themselves, and tell of it.
        """
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + self._settings.reload_interval
        for _, watched in self._inputs.watched():
            with suppress(Exception):  # a defect there must not end the master
                watched.poll()

    def run(self) -> None:
        """Serve until stopped, with as many open files as the connections may need."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        threads, management = self._settings.threads, self._settings.management_bind is not None
        files = open_files(threads, hard, management=management)
        if soft != resource.RLIM_INFINITY:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, files), hard))
        standard_output.count_losses(master_log_losses())
        most = connections(threads, hard, management=management)
        _log.info("service.limits", extra={"connections": most, "open_files": files})
        Master(self, self.keep_up, self._state, self._settings.drain_time, self._link).run()

    def load(self) -> Any:
        """Return a new application; called in each worker."""
        return create_app(self._settings, self._inputs, self._folder, self._state)


def options(settings: Settings, inputs: Inputs, folder: RuntimeFolder) -> dict[str, Any]:
    """Return gunicorn's settings.

    No control socket: it needs a writable directory. No preloading: threads and clients do not
    survive a fork. ``timeout`` watches a worker's main loop; every Redis and upstream call carries
    its own limit. :mod:`broker.web.reading` bounds requests, by none of gunicorn's settings.
    """

    def clean_up(server: Any) -> None:
        del server
        folder.remove()

    management = settings.management_bind is not None
    return {
        "bind": addresses(settings),
        "umask": 0o777 & ~settings.socket_mode,  # of what it makes: Unix sockets, heartbeats
        "workers": settings.workers,
        "worker_class": EventWorker,
        "asgi_loop": "asyncio",
        "threads": settings.threads,
        "worker_connections": connections(settings.threads, _hard_limit(), management=management),
        "timeout": 30,
        "graceful_timeout": int(settings.graceful_timeout),
        "control_socket_disable": True,
        "worker_tmp_dir": str(_SHARED_MEMORY) if os.access(_SHARED_MEMORY, os.W_OK) else None,
        "proc_name": "canvas-token-broker",
        "logger_class": PlacedLogger,
        "logconfig_dict": logging_config(settings.log_level, settings.log_format),
        "when_ready": _keep_what_is_there,
        "worker_exit": _stop_service,
        "on_exit": clean_up,
        **tls_options(settings, inputs.certificates),
    }


def addresses(settings: Settings) -> list[str]:
    """Return where to listen, the management port last."""
    return [*settings.bind, *(settings.management_bind or ())]


def management_options(settings: Settings) -> dict[str, Any]:
    """Return those of gunicorn's settings that are the management port's own."""
    plain = settings.management_tls is ManagementTls.OFF
    return {
        "bind": list(settings.management_bind or ()),
        "threads": MANAGEMENT_THREADS,
        "worker_connections": MANAGEMENT_CONNECTIONS,
        **({"certfile": None, "keyfile": None} if plain else {}),
    }


def _hard_limit() -> int:
    """Return how many files a process may open; -1 is any number."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def _keep_what_is_there(server: Any) -> None:
    """Let the garbage collector never look at present objects again.

    It writes to each object that it looks at, so a worker would soon have a copy of its own of
    every page that it shares with the master.
    """
    del server
    gc.collect()
    gc.freeze()


def _stop_service(server: Any, worker: Any) -> None:
    del server
    app = getattr(worker, "wsgi", None)
    if app is not None:
        app.extensions[SERVICE].stop()
