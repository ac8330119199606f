"""Files of certificate authorities that a server is verified with, read again on change."""

from functools import partial
from pathlib import Path

from broker.files.tls import NO_CONTEXT, TlsContext, TlsSource, client_context
from broker.files.watch import Watched


def watch_authorities(setting: str, path: Path) -> Watched[TlsContext]:
    """Read a file of authorities, to be polled from now on; they replace the system's.

    ``setting`` is what problems call it. The context verifies a server's certificate and name.
    """
    return Watched(TlsSource({setting: path}, partial(client_context, name=setting)), NO_CONTEXT)
