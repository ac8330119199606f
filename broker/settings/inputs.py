"""The files that the settings name, read before the fork and watched from then on."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from broker.callers import Callers
from broker.credentials import Credentials, name_writing
from broker.errors import SettingsError
from broker.files.authorities import watch_authorities
from broker.files.callers import CallersSource
from broker.files.certificates import watch_certificates
from broker.files.credentials import CredentialsSource, digest
from broker.files.reading import signature
from broker.files.redis_tls import watch_redis_tls
from broker.files.tls import TlsContext
from broker.files.watch import FilesSource, Fixed, Watched
from broker.kubernetes.own_token import OwnTokenError, own_issuer, read_own_token
from broker.redis_address import parse_redis_address
from broker.secret import Secret
from broker.settings.kinds import CallerAuth, ClientCerts
from broker.settings.reading import is_set, value_of
from broker.settings.secret_files import files_of, watch_redis_address, watch_secrets
from broker.settings.table import Settings

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
    certificates: Watched[TlsContext] | None = None
    canvas_ca: Watched[TlsContext] | None = None
    kubernetes_ca: Watched[TlsContext] | None = None
    kubernetes_token: Watched[Secret] | None = None
    redis_tls: Watched[TlsContext] | None = None
    redis_login: Watched[Secret] | None = None
    canvas_proxy: Watched[Secret] | None = None
    issuer: str | None = None

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
    others = watch_redis_address(settings), _proxy(settings), issuer(settings)
    read: list[Any] = [*(reader(settings) for reader in READERS), *others]
    inputs = Inputs(*read)
    problems = [problem for _, watched in inputs.watched() for problem in watched.problems]
    if problems:
        raise SettingsError(problems)
    return inputs


def takes_tokens(settings: Settings) -> bool:
    """Tell whether service-account tokens are taken."""
    return settings.kubernetes_audience is not None and settings.caller_auth is CallerAuth.KEYS


def issuer(settings: Settings) -> str | None:
    """Return whose service-account tokens are taken; None if none are. Raises SettingsError.

    Read once, before the fork: workers that start later need no file for it.
    """
    if not takes_tokens(settings) or settings.kubernetes_issuer is not None:
        return settings.kubernetes_issuer
    try:
        return own_issuer(settings.kubernetes_token_file)
    except OwnTokenError as error:
        problem = f"BROKER_KUBERNETES_TOKEN_FILE does not tell it ({error})"
        raise SettingsError([f"BROKER_KUBERNETES_ISSUER is required: {problem}"]) from None


def credentials(settings: Settings) -> Watched[CredentialsByOrganization]:
    """Return the keys of each organization that has good ones."""
    if settings.credentials_dir is not None:
        return Watched(CredentialsSource(settings.credentials_dir), {})
    # Keys in variables are read once: whoever starts the broker anew says so by that.
    fixed = _only(str(time.time_ns()), settings)
    files = files_of(settings, _KEYS)

    def make(fresh: Settings) -> CredentialsByOrganization:
        """Return the keys; writing any of their files anew has them tried again."""
        return _only(digest([signature(path) for path in files.values()]), fresh)

    return watch_secrets(settings, _KEYS, make, fixed) or Watched(Fixed(fixed), {})


def _only(version: str, settings: Settings) -> CredentialsByOrganization:
    if settings.consumer is None or settings.secret_key is None:
        return {}
    keys = Credentials(settings.consumer, settings.secret_key, name_writing(version))
    return {ONLY_ORGANIZATION: keys}


def _callers(settings: Settings) -> Watched[Callers] | None:
    if settings.callers_file is None:
        return None
    tokens = is_set(settings, "kubernetes_audience")
    return Watched(CallersSource(settings.callers_file, service_accounts=tokens), Callers())


def _certificates(settings: Settings) -> Watched[TlsContext] | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return watch_certificates(
        settings.tls_cert_file,
        settings.tls_key_file,
        settings.tls_client_ca_file,
        required=value_of(settings, "tls_client_certs") is not ClientCerts.OPTIONAL,
    )


def canvas_authorities(settings: Settings) -> Watched[TlsContext] | None:
    """Return what Canvas is verified with; None for the system's authorities."""
    if settings.canvas_ca_file is None:
        return None
    return watch_authorities("BROKER_CANVAS_CA_FILE", settings.canvas_ca_file)


def kubernetes_authorities(settings: Settings) -> Watched[TlsContext] | None:
    """Return what the API server is verified with; None where it is not spoken to over TLS."""
    if not takes_tokens(settings) or not settings.kubernetes_jwks_url.startswith("https:"):
        return None
    return watch_authorities("BROKER_KUBERNETES_CA_FILE", settings.kubernetes_ca_file)


def own_token(settings: Settings) -> Watched[Secret] | None:
    """Watch the broker's own service-account token, which the kubelet renews."""
    if not takes_tokens(settings):
        return None
    path, name = settings.kubernetes_token_file, "BROKER_KUBERNETES_TOKEN_FILE"

    def make(_: Secret) -> Secret:
        try:
            return read_own_token(path)
        except OwnTokenError as error:
            raise SettingsError([f"{name} cannot be used: {error}"]) from None

    return Watched(FilesSource({name: path}, make), Secret(""))


def _redis_tls(settings: Settings) -> Watched[TlsContext] | None:
    tls = parse_redis_address(settings.redis_url.reveal()).tls
    return None if tls is None else watch_redis_tls(tls)


def _proxy(settings: Settings) -> Watched[Secret] | None:
    return watch_secrets(
        settings, ["canvas_proxy"], lambda fresh: fresh.canvas_proxy or Secret(""), Secret("")
    )


READERS: tuple[Callable[[Settings], Watched[Any] | None], ...] = (
    credentials,
    _callers,
    _certificates,
    canvas_authorities,
    kubernetes_authorities,
    own_token,
    _redis_tls,
)
"""What reads each kind of files that may have a problem, in the order of :class:`Inputs`."""
