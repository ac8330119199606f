"""Files of certificate authorities that a server is verified with, read again on change."""

from functools import partial
from pathlib import Path

from broker.files.tls import TlsContext, client_context, watch_tls
from broker.files.watch import Watched


def watch_authorities(setting: str, path: Path) -> Watched[TlsContext]:
    """Read a file of authorities, to be polled from now on; they replace the system's.

    ``setting`` is what problems call it. The context verifies a server's certificate and name.
    """
    return watch_tls({setting: path}, partial(client_context, name=setting))
