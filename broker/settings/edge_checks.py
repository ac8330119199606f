"""What settings of the edge may not say together: TLS, HSTS, Kubernetes callers, audit, tracing."""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from broker.files.authorities import watch_authorities
from broker.files.certificates import certificate_problems
from broker.kubernetes.own_token import OwnTokenError, own_audiences, own_issuer
from broker.settings.bind import is_unix, overlap
from broker.settings.draft import Draft
from broker.settings.own_token_file import watch_own_token
from broker.settings.values import CallerAuth, Tracing

_TLS = ("tls_cert_file", "tls_key_file", "tls_client_ca_file")
_TRACING = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
_AUDIT_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC


def tls(draft: Draft) -> Iterator[str]:
    """Yield what keeps TLS from being served, where any of its settings is set."""
    if not draft.knows(*_TLS):
        return
    cert, key, client_ca = (draft[field] for field in _TLS)
    if cert and key:
        yield from certificate_problems(cert, key, client_ca)
    elif cert or key:
        missing = "BROKER_TLS_KEY_FILE" if cert else "BROKER_TLS_CERT_FILE"
        yield f"{missing} is required beside the other"
    elif client_ca:
        yield "BROKER_TLS_CLIENT_CA_FILE needs BROKER_TLS_CERT_FILE and BROKER_TLS_KEY_FILE"


def management(draft: Draft) -> Iterator[str]:
    """Yield a sentence if the port for operators would be the callers'."""
    if not draft.knows("bind", "management_bind") or draft["management_bind"] is None:
        return
    if any(overlap(one, other) for one, other in product(draft["bind"], draft["management_bind"])):
        yield (
            "BROKER_MANAGEMENT_BIND names an address of BROKER_BIND; give each a port of its own"
        )


def listener(draft: Draft) -> Iterator[str]:
    """Yield a sentence if a Unix socket would be held: gunicorn removes its path at a stop."""
    if not draft.is_set("listener") or not draft.knows("bind", "management_bind"):
        return
    if any(map(is_unix, (*draft["bind"], *(draft["management_bind"] or ())))):
        yield (
            "BROKER_LISTENER holds no Unix sockets: BROKER_BIND and BROKER_MANAGEMENT_BIND must "
            "name none"
        )


def hsts(draft: Draft) -> Iterator[str]:
    """Yield a sentence if HSTS is wanted where no TLS is served (RFC 6797 section 7.2)."""
    if not draft.knows("hsts_max_age", "tls_cert_file", "tls_key_file"):
        return
    if draft["hsts_max_age"] and not (draft["tls_cert_file"] or draft["tls_key_file"]):
        yield (
            "BROKER_HSTS_MAX_AGE needs BROKER_TLS_CERT_FILE and BROKER_TLS_KEY_FILE: browsers "
            "ignore it without TLS; where a proxy ends TLS, set it there"
        )


def kubernetes(draft: Draft) -> Iterator[str]:
    """Yield what keeps service-account tokens from being told, where an audience is set."""
    if not draft.knows("kubernetes_audience", "kubernetes_issuer", "caller_auth"):
        return
    if draft["kubernetes_audience"] is None:
        if draft["kubernetes_issuer"] is not None:
            yield "BROKER_KUBERNETES_ISSUER needs BROKER_KUBERNETES_AUDIENCE"
        return
    if draft["caller_auth"] is CallerAuth.NONE:
        yield (
            "BROKER_KUBERNETES_AUDIENCE is set and BROKER_CALLER_AUTH=none ignores it; set one of "
            "them"
        )
        return
    if draft.knows("kubernetes_token_file"):
        yield from _own_token(draft["kubernetes_token_file"], draft["kubernetes_issuer"])
        yield from _audience(draft["kubernetes_audience"], draft["kubernetes_token_file"])
    if draft.knows("kubernetes_jwks_url", "kubernetes_ca_file"):
        yield from _authorities(draft["kubernetes_jwks_url"], draft["kubernetes_ca_file"])


def _own_token(token_file: Path, issuer: str | None) -> Iterator[str]:
    problems = watch_own_token(token_file).problems
    yield from problems
    if issuer is None and not problems:
        yield from _own_issuer(token_file)


def _own_issuer(token_file: Path) -> Iterator[str]:
    try:
        own_issuer(token_file)
    except OwnTokenError as error:
        yield (
            f"BROKER_KUBERNETES_ISSUER is required: BROKER_KUBERNETES_TOKEN_FILE does not tell it "
            f"({error})"
        )


def _audience(audience: str, token_file: Path) -> Iterator[str]:
    """Yield a sentence if callers would have to send what opens the cluster, too."""
    with suppress(OwnTokenError):
        if audience in own_audiences(token_file):
            yield (
                "BROKER_KUBERNETES_AUDIENCE is an audience of the API server, as the broker's own "
                "token shows: choose a name that is this broker's alone"
            )


def _authorities(jwks_url: str, ca_file: Path) -> Iterator[str]:
    if not jwks_url.startswith("https:"):
        return
    yield from watch_authorities("BROKER_KUBERNETES_CA_FILE", ca_file).problems


def audit(draft: Draft) -> Iterator[str]:
    """Yield a sentence if the audit's file cannot be appended to."""
    if not draft.knows("audit_log") or not draft["audit_log"].startswith("/"):
        return
    try:
        os.close(os.open(draft["audit_log"], _AUDIT_FLAGS, 0o640))
    except OSError as error:
        if error.errno != errno.ENXIO:  # a pipe whose reader is not there yet
            yield f"BROKER_AUDIT_LOG cannot be opened ({error.strerror})"


def tracing(draft: Draft) -> Iterator[str]:
    """Yield a sentence if spans are wanted and nothing is there to make them."""
    if not draft.knows("tracing") or draft["tracing"] is Tracing.NONE:
        return
    if not all(map(_is_installed, _TRACING)):
        yield (
            "BROKER_TRACING is otlp and needs OpenTelemetry: install the extra "
            "canvas-token-broker[tracing]"
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
