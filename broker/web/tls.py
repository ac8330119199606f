"""TLS served by gunicorn itself, with certificates that are replaced while it runs."""

import ssl
from typing import Any

from broker.files.tls import TlsContext
from broker.files.watch import Watched
from broker.settings import Settings


def tls_options(settings: Settings, certificates: Watched[TlsContext] | None) -> dict[str, Any]:
    """Return gunicorn's settings for TLS; none for plain HTTP.

    The worker asks for a context at each connection, so a replaced certificate counts from the next
    one on.
    """
    if certificates is None:
        return {}

    def context(config: object, default: object) -> ssl.SSLContext:
        del config, default
        return certificates.current.context

    return {
        "certfile": str(settings.tls_cert_file),
        "keyfile": str(settings.tls_key_file),
        "ssl_context": context,
    }
