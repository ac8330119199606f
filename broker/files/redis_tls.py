"""What TLS to Redis is spoken with: the options of its URL, and the files that they name."""

import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from broker.files.tls import (
    Texts,
    TlsContext,
    UnusableError,
    load_authorities,
    load_pair,
    watch_tls,
)
from broker.files.watch import Watched
from broker.redis_address import checks_name

Options = Mapping[str, str]
"""Options by redis-py's names for them, such as ``ssl_ca_certs``; others are passed over."""
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_VERIFY = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


def watch_redis_tls(options: Options) -> Watched[TlsContext]:
    """Read the files that the options of a URL name, to be polled from now on."""
    files = {_named(option): Path(options[option]) for option in FILES if option in options}
    return watch_tls(files, partial(_context, options))


def _context(options: Options, texts: Texts) -> ssl.SSLContext:
    """Return what redis-py would make of the options: system authorities and those named."""
    verify = _VERIFY.get(options.get("ssl_cert_reqs", "required"))
    if verify is None:
        words = ", ".join(_VERIFY)
        raise UnusableError(f"{_named('ssl_cert_reqs')} must be one of {words}")
    context = ssl.create_default_context()
    context.check_hostname = checks_name(options) and verify is not ssl.CERT_NONE
    context.verify_mode = verify
    _load_own(context, options, texts)
    if (ca := _named("ssl_ca_certs")) in texts:
        load_authorities(context, texts, ca)
    if folder := options.get("ssl_ca_path"):
        context.load_verify_locations(capath=folder)
    return context


def _load_own(context: ssl.SSLContext, options: Options, texts: Texts) -> None:
    cert, key = _named("ssl_certfile"), _named("ssl_keyfile")
    if cert in texts:
        password = options.get("ssl_password")
        load_pair(context, texts, cert, key if key in texts else cert, password)
    elif key in texts:
        raise UnusableError(f"{key} needs ssl_certfile beside it")


def _named(option: str) -> str:
    return f"BROKER_REDIS_URL's {option}"
