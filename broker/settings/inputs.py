"""The files that the settings name, read before the fork and watched from then on."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from broker.callers import Callers
from broker.credentials import Credentials, name_writing
from broker.errors import SettingsError
from broker.files.authorities import watch_authorities
from broker.files.callers import CallersSource
from broker.files.certificates import watch_certificates
from broker.files.credentials import CredentialsSource, digest
from broker.files.reading import signature
from broker.files.tls import TlsContext
from broker.files.watch import Fixed, Source, Watched
from broker.kubernetes.own_token import OwnTokenError, own_issuer
from broker.secret import Secret
from broker.settings.own_token_file import watch_own_token
from broker.settings.redis_login import redis_tls, watch_redis_address
from broker.settings.secret_files import SecretFiles, secret_files
from broker.settings.values import ClientCerts, Settings

ONLY_ORGANIZATION = "default"
"""Name of the organization whose keys come from the environment."""

_KEYS = ("consumer", "secret_key")
CredentialsByOrganization = Mapping[str, Credentials]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the settings name, each in its last good version; None what is not set.

    ``callers`` is None when nobody is asked. ``issuer`` is whose service-account tokens are taken,
    ``certificates`` what TLS is served with; the others verify Canvas and the API server, are shown
    to the latter, and speak TLS to Redis. ``redis_login`` is the URL of Redis with its logins,
    where any of it is from a file; ``canvas_proxy`` that of the proxy, if it is.
    """

    credentials: Watched[CredentialsByOrganization]
    callers: Watched[Callers] | None
    issuer: str | None = None
    certificates: Watched[TlsContext] | None = None
    canvas_ca: Watched[TlsContext] | None = None
    kubernetes_ca: Watched[TlsContext] | None = None
    kubernetes_token: Watched[Secret] | None = None
    redis_tls: Watched[TlsContext] | None = None
    redis_login: Watched[Secret] | None = None
    canvas_proxy: Watched[Secret] | None = None

    def watched(self) -> Iterator[tuple[str, Watched[Any]]]:
        """Yield each kind of files that is watched, by its name in logs, metrics and health."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Watched):
                yield field.name, value


def load_inputs(settings: Settings) -> Inputs:
    """Read all files that the settings name, to be polled from now on.

    :func:`broker.settings.load` read them already to report problems; should a file have broken
    since, this raises :class:`~broker.errors.SettingsError`.
    """
    takes_tokens = settings.kubernetes_audience is not None
    inputs = Inputs(
        Watched(_credentials_source(settings), {}),
        _callers(settings),
        certificates=_certificates(settings),
        canvas_ca=canvas_authorities(settings),
        kubernetes_ca=kubernetes_authorities(settings) if takes_tokens else None,
        kubernetes_token=watch_own_token(settings.kubernetes_token_file) if takes_tokens else None,
        redis_tls=redis_tls(settings.redis_url.reveal()),
        redis_login=watch_redis_address(settings),
        canvas_proxy=_proxy(settings),
        issuer=_issuer(settings) if takes_tokens else None,
    )
    problems = [problem for _, watched in inputs.watched() for problem in watched.problems]
    if problems:
        raise SettingsError(problems)
    return inputs


def _callers(settings: Settings) -> Watched[Callers] | None:
    if settings.callers_file is None:
        return None
    takes_tokens = settings.kubernetes_audience is not None
    return Watched(CallersSource(settings.callers_file, service_accounts=takes_tokens), Callers())


def _certificates(settings: Settings) -> Watched[TlsContext] | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return watch_certificates(
        settings.tls_cert_file,
        settings.tls_key_file,
        settings.tls_client_ca_file,
        required=settings.tls_client_certs is ClientCerts.REQUIRED,
    )


def canvas_authorities(settings: Settings) -> Watched[TlsContext] | None:
    """Return what Canvas is verified with; None for the system's authorities."""
    if settings.canvas_ca_file is None:
        return None
    return watch_authorities("BROKER_CANVAS_CA_FILE", settings.canvas_ca_file)


def _proxy(settings: Settings) -> Watched[Secret] | None:
    files = secret_files(settings, ["canvas_proxy"])
    if not files or settings.canvas_proxy is None:
        return None
    return Watched(
        SecretFiles(settings, files, lambda fresh: fresh.canvas_proxy or Secret("")),
        settings.canvas_proxy,
    )


def kubernetes_authorities(settings: Settings) -> Watched[TlsContext] | None:
    """Return what the API server is verified with; None where it is not spoken to over TLS."""
    if not settings.kubernetes_jwks_url.startswith("https:"):
        return None
    return watch_authorities("BROKER_KUBERNETES_CA_FILE", settings.kubernetes_ca_file)


def _issuer(settings: Settings) -> str:
    """Return the issuer, read once before the fork: workers that start later need no file."""
    if settings.kubernetes_issuer is not None:
        return settings.kubernetes_issuer
    try:
        return own_issuer(settings.kubernetes_token_file)
    except OwnTokenError as error:
        raise SettingsError([f"BROKER_KUBERNETES_TOKEN_FILE: {error}"]) from None


def _credentials_source(settings: Settings) -> Source[CredentialsByOrganization]:
    if settings.credentials_dir:
        return CredentialsSource(settings.credentials_dir)
    if files := secret_files(settings, _KEYS):
        return SecretFiles(settings, files, partial(_only_credentials, files))
    if settings.consumer and settings.secret_key:
        # Read once, before the fork: whoever starts the broker anew says so by that.
        return Fixed(_only(settings, str(time.time_ns())))
    raise SettingsError(
        ["BROKER_CREDENTIALS_DIR, or BROKER_CONSUMER and BROKER_SECRET_KEY, is required"]
    )


def _only_credentials(files: Mapping[str, Path], settings: Settings) -> CredentialsByOrganization:
    """Return the keys in the settings; writing any of their files anew has them tried again."""
    return _only(settings, digest([signature(path) for path in files.values()]))


def _only(settings: Settings, version: str) -> CredentialsByOrganization:
    assert settings.consumer and settings.secret_key  # noqa: S101, PT018  # for the type checker
    writing = name_writing(version)
    return {ONLY_ORGANIZATION: Credentials(settings.consumer, settings.secret_key, writing)}
