"""A running emulator, for tests and for ``broker emulator``."""

import threading
from collections.abc import Mapping
from typing import Self

from broker.emulator.app import BASE_PATH, create_emulator
from broker.emulator.canvas import Canvas
from broker.emulator.controls import Controls
from broker.emulator.minting import PREFIX
from broker.emulator.serving import Server, listen

_POLL = 0.02
_PATIENCE = 1.0


class EmulatorServer:
    """``canvas`` behind HTTP, on a thread, until :meth:`stop` or the end of the ``with`` block.

    Listens on ``host`` and ``port`` from the moment it is made (port 0: any free one); raises
    OSError when it cannot.
    """

    def __init__(
        self,
        canvas: Canvas,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        controls: Controls | None = None,
    ) -> None:
        self.canvas = canvas
        self.controls = controls or Controls(canvas)
        app = create_emulator(canvas, controls=self.controls)
        with listen(host, port) as listener:
            self._server = Server(listener, app)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name="canvas emulator", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    @property
    def root(self) -> str:
        """The URL above Canvas and the management path, without a slash at its end."""
        host = self._server.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL of Canvas, ending in ``/api``."""
        return self.root + BASE_PATH

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close every connection, held calls included, and leave no thread behind."""
        if self._thread.is_alive():
            self._server.shutdown()
            working = self._server.hang_up()
            self.controls.gate.close()
            for thread in [*working, self._thread]:
                thread.join(_PATIENCE)
        self._server.server_close()

    def fault(self, **knobs: object) -> None:
        """Turn knobs, as ``POST /_emulator/faults``; raises ValueError naming the mistakes."""
        self.controls.turn(knobs)

    def release(self) -> int:
        """Let held calls go on and hold no further ones; return how many were held."""
        return self.controls.release()

    def reset(self) -> None:
        """Put knobs, faults and counters back as they were at start."""
        self.controls.reset()

    def revoke(self, access_token: str) -> bool:
        """End an access token, with or without its prefix; tell whether it was alive."""
        return self.canvas.revoke(access_token.removeprefix(PREFIX))

    def stats(self) -> Mapping[str, object]:
        """Return the counters, as ``GET /_emulator/stats``."""
        return self.controls.report()

    def wait_held(self, calls: int = 1, timeout: float = 5.0) -> None:
        """Wait until ``calls`` calls are held; raises TimeoutError after ``timeout`` seconds."""
        if not self.controls.gate.wait_held(calls, timeout):
            raise TimeoutError(f"{calls} held calls did not come within {timeout:g} s")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
