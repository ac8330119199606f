"""Settings: everything that ``BROKER_*`` says, checked as a whole before anything starts."""

from broker.settings.bind import is_loopback
from broker.settings.loading import ONLY_ORGANIZATION, Inputs, load, load_inputs, redacted
from broker.settings.schema import CATALOGUE, SettingDoc
from broker.settings.values import CallerAuth, LogLevel, Settings

__all__ = [
    "CATALOGUE",
    "ONLY_ORGANIZATION",
    "CallerAuth",
    "Inputs",
    "LogLevel",
    "SettingDoc",
    "Settings",
    "is_loopback",
    "load",
    "load_inputs",
    "redacted",
]
