"""From an environment to settings, and from settings to the files they name."""

from collections.abc import Mapping
from dataclasses import dataclass

from broker.callers import Callers
from broker.credentials import Credentials
from broker.errors import SettingsError
from broker.files.callers import CallersSource
from broker.files.credentials import CredentialsSource
from broker.files.watch import Fixed, Source, Watched
from broker.settings.checks import contradictions
from broker.settings.draft import read_draft
from broker.settings.environment import read_variables
from broker.settings.schema import LIMITS, OWN
from broker.settings.values import Settings

ONLY_ORGANIZATION = "default"
"""Name of the organization whose keys come from the environment."""

CredentialsByOrganization = Mapping[str, Credentials]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files that the settings name, kept in force; ``callers`` is None when nobody is asked."""

    credentials: Watched[CredentialsByOrganization]
    callers: Watched[Callers] | None


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
    callers = (
        Watched(CallersSource(settings.callers_file), Callers()) if settings.callers_file else None
    )
    problems = [*credentials.problems, *(callers.problems if callers else ())]
    if problems:
        raise SettingsError(problems)
    return Inputs(credentials, callers)


def redacted(settings: Settings) -> dict[str, object]:
    """Return every effective setting by its name, with nothing secret, for one log line."""
    shown = {
        setting.data_key: setting.show(getattr(holder, field))
        for holder, declared in ((settings, OWN), (settings.limits, LIMITS))
        for field, setting in declared.items()
    }
    return {str(name): value for name, value in shown.items()}


def _credentials_source(settings: Settings) -> Source[CredentialsByOrganization]:
    if settings.credentials_dir:
        return CredentialsSource(settings.credentials_dir)
    if settings.consumer and settings.secret_key:
        credentials = Credentials(settings.consumer, settings.secret_key)
        return Fixed({ONLY_ORGANIZATION: credentials})
    raise SettingsError(
        ["BROKER_CREDENTIALS_DIR, or BROKER_CONSUMER and BROKER_SECRET_KEY, is required"]
    )
