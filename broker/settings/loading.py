"""From an environment to settings, and from settings to the files they name."""

from collections.abc import Mapping
from dataclasses import dataclass

from broker.callers import Callers
from broker.credentials import Credentials
from broker.errors import SettingsError
from broker.files.callers import CallersSource
from broker.files.certificates import Certificates, watch_certificates
from broker.files.credentials import CredentialsSource
from broker.files.watch import Fixed, Source, Watched
from broker.kubernetes.own_token import OwnTokenError, own_issuer
from broker.settings.checks import contradictions
from broker.settings.draft import read_draft
from broker.settings.environment import read_variables
from broker.settings.schema import LIMITS, OWN
from broker.settings.values import ClientCerts, Settings

ONLY_ORGANIZATION = "default"
"""Name of the organization whose keys come from the environment."""

CredentialsByOrganization = Mapping[str, Credentials]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files that the settings name, kept in force; ``callers`` is None when nobody is asked.

    ``issuer`` is whose service-account tokens are taken, ``certificates`` what TLS is served with;
    None where neither is set.
    """

    credentials: Watched[CredentialsByOrganization]
    callers: Watched[Callers] | None
    issuer: str | None = None
    certificates: Watched[Certificates] | None = None


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings of ``environ``.

    Raises one :class:`~broker.errors.SettingsError` that names every problem: of the variables, of
    the files they name, and of what they say together. It never holds a secret.
    """
    variables = read_variables(environ)
    draft, bad_texts = read_draft(variables)
    problems = [*variables.problems, *bad_texts, *contradictions(draft)]
    if problems:
        raise SettingsError(problems)
    return draft.settings()


def load_inputs(settings: Settings) -> Inputs:
    """Read the credentials and the callers, to be polled from now on.

    :func:`load` read them already to report problems; should a file have broken since, this raises
    :class:`~broker.errors.SettingsError`.
    """
    credentials = Watched(_credentials_source(settings), {})
    callers = _callers(settings)
    problems = [*credentials.problems, *(callers.problems if callers else ())]
    if problems:
        raise SettingsError(problems)
    return Inputs(credentials, callers, _issuer(settings), _certificates(settings))


def redacted(settings: Settings) -> dict[str, object]:
    """Return every effective setting by its name, with nothing secret, for one log line."""
    shown = {
        setting.data_key: setting.show(getattr(holder, field))
        for holder, declared in ((settings, OWN), (settings.limits, LIMITS))
        for field, setting in declared.items()
    }
    return {str(name): value for name, value in shown.items()}


def _callers(settings: Settings) -> Watched[Callers] | None:
    if settings.callers_file is None:
        return None
    takes_tokens = settings.kubernetes_audience is not None
    return Watched(CallersSource(settings.callers_file, takes_tokens), Callers())


def _certificates(settings: Settings) -> Watched[Certificates] | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return watch_certificates(
        settings.tls_cert_file,
        settings.tls_key_file,
        settings.tls_client_ca_file,
        required=settings.tls_client_certs is ClientCerts.REQUIRED,
    )


def _issuer(settings: Settings) -> str | None:
    """Return the issuer, read once before the fork: workers that start later need no file."""
    if settings.kubernetes_audience is None:
        return None
    if settings.kubernetes_issuer is not None:
        return settings.kubernetes_issuer
    try:
        return own_issuer(settings.kubernetes_token_file)
    except OwnTokenError as error:
        raise SettingsError([f"BROKER_KUBERNETES_TOKEN_FILE: {error}"]) from None


def _credentials_source(settings: Settings) -> Source[CredentialsByOrganization]:
    if settings.credentials_dir:
        return CredentialsSource(settings.credentials_dir)
    if settings.consumer and settings.secret_key:
        credentials = Credentials(settings.consumer, settings.secret_key)
        return Fixed({ONLY_ORGANIZATION: credentials})
    raise SettingsError(
        ["BROKER_CREDENTIALS_DIR, or BROKER_CONSUMER and BROKER_SECRET_KEY, is required"]
    )
