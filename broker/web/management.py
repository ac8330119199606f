"""The port for operators: a second gunicorn worker in the process of the callers' one.

It runs on a thread of its own, with connections, threads and deadlines of its own, so that neither
port takes anything from the other but processor time. Both end together.
"""

import selectors
import signal
import threading
from functools import partial
from typing import Any

from gunicorn.config import Config

from broker.web.app import MANAGEMENT
from broker.web.worker import BrokerWorker


class TwoPortWorker(BrokerWorker):
    """Serves the callers, and has :attr:`operators` serve the others.

    Its application has that of the management port among its extensions.
    """

    management: Config
    """gunicorn's settings for the management port."""
    operators: BrokerWorker | None = None
    """The worker of the management port, once the applications are loaded."""

    def load_wsgi(self) -> None:
        """Load both applications, and give each port its listeners.

        The last listeners are the management port's, as many as it has addresses: that holds for
        those that gunicorn inherits, too.
        """
        super().load_wsgi()
        first = len(self.cfg.bind) - len(self.management.bind)
        listeners, self.sockets = self.sockets[first:], self.sockets[:first]
        worker = BrokerWorker(
            self.age, self.ppid, listeners, self.app, self.timeout, self.management, self.log
        )
        app: Any = self.wsgi
        worker.stand_before(app.extensions[MANAGEMENT])
        # What gunicorn's ``init_process`` does besides what is the process's own.
        worker.pid, worker.tpool = self.pid, worker.get_thread_pool()
        worker.poller = selectors.DefaultSelector()
        worker.method_queue.init()
        self.operators = worker

    def run(self) -> None:
        """Serve both ports until stopped."""
        worker = self.operators
        assert worker is not None  # noqa: S101  # gunicorn loads before it runs
        worker.may_accept, worker.is_draining = self.may_accept, self.is_draining
        if not self.alive:  # stopped while it was loading
            worker.alive = False
        serve = partial(self._serve_operators, worker)
        thread = threading.Thread(target=serve, name="management", daemon=True)
        thread.start()
        super().run()
        thread.join()

    def handle_exit(self, sig: Any, frame: Any) -> None:
        """Begin to stop both."""
        super().handle_exit(sig, frame)
        if self.operators is not None:
            self.operators.handle_exit(sig, frame)

    def _serve_operators(self, worker: BrokerWorker) -> None:
        """Serve the management port; should that end by itself, a new worker replaces this one."""
        try:
            worker.run()
        finally:
            self.handle_exit(signal.SIGTERM, None)
