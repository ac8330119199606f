"""The port for operators: a second gunicorn worker in the process of the callers' one.

It runs on a thread of its own, with connections, threads and deadlines of its own, so that neither
port takes anything from the other but processor time. Both end together.
"""

import selectors
import signal
import threading
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
    operators: BrokerWorker
    """The worker of the management port."""

    def load_wsgi(self) -> None:
        """Load both applications, and give each port its listeners.

        The last listeners are the management port's, as many as it has addresses: that holds for
        those that gunicorn inherits, too.
        """
        super().load_wsgi()
        first = len(self.cfg.bind) - len(self.management.bind)
        listeners, self.sockets = self.sockets[first:], self.sockets[:first]
        self.operators = BrokerWorker(
            self.age, self.ppid, listeners, self.app, self.timeout, self.management, self.log
        )
        app: Any = self.wsgi
        self.operators.stand_before(app.extensions[MANAGEMENT])

    def run(self) -> None:
        """Serve both ports until stopped."""
        worker = self.operators
        worker.pid, worker.may_accept, worker.is_draining = (
            self.pid,
            self.may_accept,
            self.is_draining,
        )
        thread = threading.Thread(target=self._serve_operators, name="management", daemon=True)
        thread.start()
        super().run()
        thread.join()

    def handle_exit(self, sig: Any, frame: Any) -> None:
        """Begin to stop both."""
        super().handle_exit(sig, frame)
        self.operators.handle_exit(sig, frame)

    def _serve_operators(self) -> None:
        """Serve the management port; should that end by itself, a new worker replaces this one."""
        worker = self.operators
        # What gunicorn's ``init_process`` does besides what is the process's own.
        worker.tpool = worker.get_thread_pool()
        worker.poller = selectors.DefaultSelector()
        worker.method_queue.init()
        try:
            worker.run()
        finally:
            self.handle_exit(signal.SIGTERM, None)
