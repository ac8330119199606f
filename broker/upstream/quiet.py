"""Keeps urllib3 silent: its log lines show the URL, and with it the refresh token."""

import logging

LOGGERS = (
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
)


def _drop(_record: logging.LogRecord) -> bool:
    return False


def silence_urllib3() -> None:
    """Drop every record of urllib3, at any level and under any later logging configuration.

    A filter, since levels are overwritten by whoever configures logging; on each logger that
    writes, since a logger's filters do not see what its children write.
    """
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_drop)
