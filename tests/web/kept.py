"""Log lines that are kept instead of written."""

from broker.web.logs import LogLines


class KeptLines(LogLines):
    """Takes lines as the real one does; ``text`` is what would be written."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.text = ""

    def put(self, *lines: bytes) -> None:
        """Keep lines."""
        self.text += b"".join(lines).decode()
