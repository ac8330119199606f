"""Settings: everything that ``BROKER_*`` says, checked as a whole before anything starts."""

from broker.settings.bind import is_loopback
from broker.settings.inputs import ONLY_ORGANIZATION, Inputs, load_inputs
from broker.settings.loading import load, redacted
from broker.settings.redis_login import redis_address
from broker.settings.schema import CATALOGUE, SettingDoc
from broker.settings.values import (
    CallerAuth,
    ClientCerts,
    LogFormat,
    LogLevel,
    ManagementTls,
    Settings,
    Tracing,
)

__all__ = [
    "CATALOGUE",
    "ONLY_ORGANIZATION",
    "CallerAuth",
    "ClientCerts",
    "Inputs",
    "LogFormat",
    "LogLevel",
    "ManagementTls",
    "SettingDoc",
    "Settings",
    "Tracing",
    "is_loopback",
    "load",
    "load_inputs",
    "redacted",
    "redis_address",
]
