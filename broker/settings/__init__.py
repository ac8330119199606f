"""Settings: everything that ``BROKER_*`` says, checked as a whole before anything starts."""

from collections.abc import Mapping

from broker.errors import SettingsError
from broker.settings.addresses import is_loopback
from broker.settings.checks import contradictions
from broker.settings.inputs import ONLY_ORGANIZATION, Inputs, load_inputs
from broker.settings.kinds import (
    CallerAuth,
    ClientCerts,
    LogFormat,
    LogLevel,
    ManagementTls,
    Tracing,
)
from broker.settings.reading import CATALOGUE, Setting, read
from broker.settings.secret_files import redis_address
from broker.settings.table import Settings

__all__ = [
    "CATALOGUE",
    "ONLY_ORGANIZATION",
    "CallerAuth",
    "ClientCerts",
    "Inputs",
    "LogFormat",
    "LogLevel",
    "ManagementTls",
    "Setting",
    "Settings",
    "Tracing",
    "is_loopback",
    "load",
    "load_inputs",
    "redacted",
    "redis_address",
]


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings of ``environ``.

    Raises one :class:`~broker.errors.SettingsError` that names every problem: of the variables, of
    the files they name, and of what they say together. It never holds a secret.
    """
    found, problems = read(environ)
    problems += contradictions(found)
    if problems:
        raise SettingsError(problems)
    return found.complete()


def redacted(settings: Settings) -> dict[str, object]:
    """Return every effective setting by its name, with nothing secret, for one log line."""
    return {one.name: one.show(settings) for one in CATALOGUE}
