"""A sink that a test breaks, or lets hang."""

import threading


class Stream:
    """Keeps what it is given; ``entered`` is set once it was given something."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.broken = False
        self.refused = threading.Event()
        self.entered = threading.Event()
        self.flowing = threading.Event()
        self.flowing.set()

    def write(self, lines: bytes) -> None:
        """Take the lines, if it works."""
        self.entered.set()
        assert self.flowing.wait(60)
        if self.broken:
            self.refused.set()
            raise OSError(28, "No space left on device")
        self.taken.append(lines)

    def stall(self) -> None:
        """Hang from now on, until ``flowing`` is set."""
        self.flowing.clear()

    @property
    def lines(self) -> list[bytes]:
        """Return what arrived, line by line."""
        return b"".join(self.taken).splitlines()
