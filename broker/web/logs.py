"""Logging: one JSON object per line on standard output, for the broker and for gunicorn."""

from typing import Any

from broker.settings import LogLevel

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_RENAMED = {"asctime": "time", "levelname": "level", "name": "logger", "message": "event"}


def logging_config(level: LogLevel) -> dict[str, Any]:
    """Return the configuration for ``logging.config.dictConfig``; libraries speak from WARNING."""
    ours = {"level": level.upper(), "handlers": ["out"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": _FORMAT,
                "rename_fields": _RENAMED,
                "datefmt": "%Y-%m-%dT%H:%M:%S%z",
            }
        },
        "handlers": {
            "out": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "json",
            }
        },
        "root": {"level": "WARNING", "handlers": ["out"]},
        "loggers": {"broker": ours, "gunicorn.error": dict(ours)},
    }
