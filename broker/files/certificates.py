"""The certificate, key and client authorities that TLS is served with, read again on change."""

import ssl
from functools import partial
from pathlib import Path

from broker.files.tls import (
    Texts,
    TlsContext,
    load_authorities,
    load_pair,
    watch_tls,
)
from broker.files.watch import Watched

CERT = "BROKER_TLS_CERT_FILE"
KEY = "BROKER_TLS_KEY_FILE"
CLIENT_CA = "BROKER_TLS_CLIENT_CA_FILE"


def watch_certificates(
    cert: Path, key: Path, client_ca: Path | None, *, required: bool
) -> Watched[TlsContext]:
    """Read the files, to be polled from now on.

    ``required`` says whether a client must show a certificate; it counts only with ``client_ca``.
    """
    files = {CERT: cert, KEY: key} | ({CLIENT_CA: client_ca} if client_ca else {})
    return watch_tls(files, partial(_context, required=required))


def _context(texts: Texts, *, required: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_pair(context, texts, CERT, KEY)
    if CLIENT_CA in texts:
        load_authorities(context, texts, CLIENT_CA)
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context
