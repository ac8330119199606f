import logging
import logging.config
import pkgutil

import pytest
import urllib3

from broker.upstream.quiet import LOGGERS, silence_urllib3


@pytest.fixture(autouse=True)
def silence() -> None:
    """Do what the client does."""
    silence_urllib3()


def test_every_logger_of_urllib3_is_known() -> None:
    """A module of urllib3 that begins to log turns this red."""
    modules = {name for _, name, _ in pkgutil.walk_packages(urllib3.__path__, "urllib3.")}
    writing = {
        name
        for name, logger in logging.root.manager.loggerDict.items()
        if name in modules and isinstance(logger, logging.Logger) and "contrib" not in name
    }
    assert writing == set(LOGGERS)


@pytest.mark.parametrize("name", LOGGERS)
def test_nothing_of_urllib3_is_logged(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """At no level, though root and logger are set to show everything."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger=name)
    for level in (logging.DEBUG, logging.WARNING, logging.CRITICAL):
        logging.getLogger(name).log(level, "a URL")
    assert caplog.records == []


def test_a_later_configuration_does_not_undo_it(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever configures logging for the whole process does not bring the lines back."""
    logger = logging.getLogger("urllib3.connectionpool")
    level = logger.level
    logging.config.dictConfig(
        {
            "version": 1,
            "incremental": True,
            "loggers": {logger.name: {"level": "DEBUG"}},
        }
    )
    caplog.set_level(logging.DEBUG)
    logger.warning("a URL")
    logger.setLevel(level)
    assert caplog.records == []
