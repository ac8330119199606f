"""What settings may not say together. Each check is silent about settings that are bad alone."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from itertools import product

from broker.errors import SettingsError
from broker.kubernetes.own_token import OwnTokenError, own_audiences
from broker.settings.addresses import is_loopback, is_plain, is_unix, overlap
from broker.settings.host import host
from broker.settings.inputs import READERS, issuer, own_token
from broker.settings.kinds import CallerAuth, Tracing
from broker.settings.reading import InvalidSettingError, PartialSettings, is_set, variable
from broker.settings.secret_files import redis_login
from broker.settings.table import Settings

_NAME = re.compile(r"BROKER_[A-Z0-9_]+")
_STOP_RESERVE = 5
_TRACING = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
_AUDIT_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC


def _canvas_in_the_clear(settings: Settings) -> Iterator[str]:
    if not settings.canvas_allow_http and is_plain(settings.canvas_url):
        yield (
            "BROKER_CANVAS_URL is plain http to another machine and must be https; "
            "BROKER_CANVAS_ALLOW_HTTP=true lifts this"
        )


def _credentials(settings: Settings) -> Iterator[str]:
    folder, *keys = (
        is_set(settings, field) for field in ("credentials_dir", "consumer", "secret_key")
    )
    if folder and any(keys):
        yield (
            "BROKER_CREDENTIALS_DIR and BROKER_CONSUMER or BROKER_SECRET_KEY are both set; "
            "set the folder, or the two keys"
        )
    elif any(keys) and not all(keys):
        missing = "BROKER_SECRET_KEY" if keys[0] else "BROKER_CONSUMER"
        yield f"{missing} is required beside the other key"
    elif not (folder or all(keys)):
        yield "BROKER_CREDENTIALS_DIR, or BROKER_CONSUMER and BROKER_SECRET_KEY, is required"


def _callers(settings: Settings) -> Iterator[str]:
    if settings.caller_auth is CallerAuth.KEYS:
        if not is_set(settings, "callers_file"):
            yield "BROKER_CALLERS_FILE is required unless BROKER_CALLER_AUTH=none"
        return
    if is_set(settings, "callers_file"):
        yield "BROKER_CALLERS_FILE is set and BROKER_CALLER_AUTH=none ignores it; set one of them"
    if not all(map(is_loopback, settings.bind)):
        yield (
            "BROKER_CALLER_AUTH is none and must be keys unless every address of BROKER_BIND is "
            "loopback or a unix socket"
        )


def _tls(settings: Settings) -> Iterator[str]:
    cert, key = settings.tls_cert_file, settings.tls_key_file
    if bool(cert) != bool(key):
        missing = "BROKER_TLS_KEY_FILE" if cert else "BROKER_TLS_CERT_FILE"
        yield f"{missing} is required beside the other"
    elif settings.tls_client_ca_file and not cert:
        yield "BROKER_TLS_CLIENT_CA_FILE needs BROKER_TLS_CERT_FILE and BROKER_TLS_KEY_FILE"


def _hsts(settings: Settings) -> Iterator[str]:
    """RFC 6797 section 7.2."""
    if settings.hsts_max_age and not (settings.tls_cert_file or settings.tls_key_file):
        yield (
            "BROKER_HSTS_MAX_AGE needs BROKER_TLS_CERT_FILE and BROKER_TLS_KEY_FILE: browsers "
            "ignore it without TLS; where a proxy ends TLS, set it there"
        )


def _management(settings: Settings) -> Iterator[str]:
    if any(overlap(*two) for two in product(settings.bind, settings.management_bind or ())):
        yield (
            "BROKER_MANAGEMENT_BIND names an address of BROKER_BIND; give each a port of its own"
        )


def _listener(settings: Settings) -> Iterator[str]:
    """Gunicorn removes the path of a Unix socket when it stops."""
    addresses = (*settings.bind, *(settings.management_bind or ()))
    if is_set(settings, "listener") and any(map(is_unix, addresses)):
        yield (
            "BROKER_LISTENER holds no Unix sockets: BROKER_BIND and BROKER_MANAGEMENT_BIND must "
            "name none"
        )


def _kubernetes(settings: Settings) -> Iterator[str]:
    if settings.kubernetes_audience is None:
        if settings.kubernetes_issuer is not None:
            yield "BROKER_KUBERNETES_ISSUER needs BROKER_KUBERNETES_AUDIENCE"
    elif settings.caller_auth is CallerAuth.NONE:
        yield (
            "BROKER_KUBERNETES_AUDIENCE is set and BROKER_CALLER_AUTH=none ignores it; set one of "
            "them"
        )


def _own_token(settings: Settings) -> Iterator[str]:
    """Its issuer must be told, and callers must not have to send what opens the cluster, too."""
    token = own_token(settings)
    if token is None or token.problems:
        return
    try:
        issuer(settings)
    except SettingsError as error:
        yield from error.problems
    with suppress(OwnTokenError):
        if settings.kubernetes_audience in own_audiences(settings.kubernetes_token_file):
            yield (
                "BROKER_KUBERNETES_AUDIENCE is an audience of the API server, as the broker's own "
                "token shows: choose a name that is this broker's alone"
            )


def _audit(settings: Settings) -> Iterator[str]:
    if not settings.audit_log.startswith("/"):
        return
    try:
        os.close(os.open(settings.audit_log, _AUDIT_FLAGS, 0o640))
    except OSError as error:
        if error.errno != errno.ENXIO:  # a pipe whose reader is not there yet
            yield f"BROKER_AUDIT_LOG cannot be opened ({error.strerror})"


def _tracing(settings: Settings) -> Iterator[str]:
    if settings.tracing is Tracing.OTLP and not all(map(_is_installed, _TRACING)):
        yield (
            "BROKER_TRACING is otlp and needs OpenTelemetry: install the extra "
            "canvas-token-broker[tracing]"
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _time_to_stop(settings: Settings) -> Iterator[str]:
    limits = settings.limits
    least = limits.deadline + limits.request + _STOP_RESERVE
    if settings.graceful_timeout < least:
        yield (
            f"BROKER_GRACEFUL_TIMEOUT is {settings.graceful_timeout:g} and must be at least "
            f"{least:g}: the upstream deadline (BROKER_UPSTREAM_ATTEMPTS x "
            f"BROKER_UPSTREAM_TIMEOUT = {limits.deadline:g}), a request ({limits.request:g}) and "
            f"{_STOP_RESERVE}"
        )


def _limits(settings: Settings) -> Iterator[str]:
    yield from settings.limits.problems()


_CHECKS: tuple[Callable[[Settings], Iterator[str]], ...] = (
    _canvas_in_the_clear,
    _credentials,
    _callers,
    redis_login,
    _tls,
    _management,
    _listener,
    _hsts,
    _kubernetes,
    _own_token,
    _audit,
    _tracing,
    host,
)


def contradictions(found: PartialSettings) -> Iterator[str]:
    """Yield a sentence for each contradiction, and for each problem in the files named."""
    for check in _CHECKS:
        with suppress(InvalidSettingError):
            yield from check(found)
    invalid = set(map(variable, found.invalid))
    for check in (_limits, _time_to_stop):  # which have defaults in place of invalid limits
        with suppress(InvalidSettingError):
            yield from (one for one in check(found) if invalid.isdisjoint(_NAME.findall(one)))
    for read in READERS:
        with suppress(InvalidSettingError):
            watched = read(found)
            yield from watched.problems if watched else ()
