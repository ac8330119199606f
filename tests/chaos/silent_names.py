"""``python silent_names.py FILE serve``: the broker on a host whose name server can fall silent.

While there is a FILE no lookup is answered, and each ends as the system's does then: in an error,
after 20 s. An address is looked up as a name is, so that the servers of a test need none.
"""

import socket
import sys
import time
from pathlib import Path
from typing import Any

_PATIENCE = 20.0
_lookup = socket.getaddrinfo


def can_fall_silent(file: Path) -> None:
    """Let the lookups of this process hang while ``file`` is there."""

    def getaddrinfo(*arguments: Any, **options: Any) -> Any:
        until = time.monotonic() + _PATIENCE
        while file.exists():
            if time.monotonic() > until:
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            time.sleep(0.05)
        return _lookup(*arguments, **options)

    socket.getaddrinfo = getaddrinfo


if __name__ == "__main__":
    can_fall_silent(Path(sys.argv.pop(1)))
    from broker.cli import main

    main()
