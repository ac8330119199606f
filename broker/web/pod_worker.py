"""A worker that is one of a pod: it takes connections, and keeps them, as the pod wants it."""

from collections.abc import Callable
from typing import Any

from broker.web.lingering import LingeringWorker

HELD_BACK = 0.1
"""Seconds between two looks whether to take connections."""


class PodWorker(LingeringWorker):
    """Leaves connections to others while those can serve better; keeps none while the pod drains.

    Until it is told otherwise it is alone.
    """

    may_accept: Callable[[], bool] = staticmethod(lambda: True)
    """Tells whether to take connections, or to leave them to the other workers of the pod."""
    is_draining: Callable[[], bool] = staticmethod(lambda: False)
    """Tells whether each answer is the last one on its connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.held_back = False
        super().__init__(*args, **kwargs)

    @property
    def max_keepalived(self) -> int:
        """How many connections are kept between two requests.

        gunicorn sets it, and says ``Connection: close`` in each answer beyond.
        """
        return 0 if self.is_draining() else self._most_kept

    @max_keepalived.setter
    def max_keepalived(self, most: int) -> None:
        self._most_kept = most

    def set_accept_enabled(self, enabled: bool | None) -> None:  # noqa: FBT001  # gunicorn's signature
        """Take connections or not; gunicorn asks for it at each turn of the loop until it is so."""
        self.held_back = bool(enabled) and not self.may_accept()
        super().set_accept_enabled(bool(enabled) and not self.held_back)
