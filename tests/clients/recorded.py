"""The requests that real clients sent, as :mod:`tests.clients.record` heard them."""

import json
from pathlib import Path
from typing import NamedTuple

KEY = "ctb_the-key-of-billing"
"""The key that they were recorded with; the caller is ``billing``."""
RECORDED = Path(__file__).with_suffix(".json")


class Recorded(NamedTuple):
    """One request for a token: who sent it, and the pieces in which it came."""

    name: str
    pieces: tuple[bytes, ...]

    @property
    def whole(self) -> bytes:
        """Return it in one piece."""
        return b"".join(self.pieces)


def recorded() -> list[Recorded]:
    """Return all of them, each under its client and method."""
    found = json.loads(RECORDED.read_text("utf-8"))
    return [
        Recorded(f"{client} {pieces[0].partition(' ')[0]}", tuple(map(_bytes, pieces)))
        for client, requests in sorted(found.items())
        for pieces in requests
    ]


def _bytes(piece: str) -> bytes:
    return piece.encode("latin-1")
