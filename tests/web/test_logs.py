"""Every log line is one JSON object with the same four names and what goes with the event."""

import json
import logging
import logging.config
import re
import subprocess
import sys
from typing import Any

import pytest

from broker.secret import Secret
from broker.settings import LogLevel
from broker.tokens import Kind
from broker.web.logs import logging_config

SCRIPT = """
import logging, logging.config
from broker.settings import LogLevel
from broker.web.logs import logging_config
logging.config.dictConfig(logging_config(LogLevel.WARNING))
logging.getLogger("broker.a").info("too quiet")
logging.getLogger("broker.a").warning("heard", extra={"n": 1})
logging.getLogger("gunicorn.error").info("too quiet")
logging.getLogger("gunicorn.error").error("heard %s", "too")
logging.getLogger("library").info("too quiet")
logging.getLogger("library").warning("heard as well")
"""


def _written(message: str, *arguments: object, **extra: object) -> dict[str, Any]:
    """Return the line that the formatter makes of an event, read back."""
    config = logging_config(LogLevel.INFO)
    formatter = logging.config.DictConfigurator(config).configure_formatter(
        config["formatters"]["json"]
    )
    record = logging.LogRecord("broker.x", logging.INFO, "file", 1, message, arguments, None)
    vars(record).update(extra)
    text = formatter.format(record)
    assert "\n" not in text
    line: dict[str, Any] = json.loads(text)
    return line


def test_a_line_has_time_level_logger_event_and_the_extras() -> None:
    """In that order; the time has seconds and an offset."""
    line = _written("token.refreshed", organization="acme", generation=7, kind=Kind.REFRESH)
    time = line.pop("time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", time)
    assert line == {
        "level": "INFO",
        "logger": "broker.x",
        "event": "token.refreshed",
        "organization": "acme",
        "generation": 7,
        "kind": "refresh",
    }


def test_a_line_break_in_a_message_does_not_break_the_line() -> None:
    """Nobody can forge a line."""
    line = _written('a %s\n{"event": "forged"}', "\r\nb", extra="c\nd")
    assert line["event"] == 'a \r\nb\n{"event": "forged"}'


def test_a_secret_in_an_extra_does_not_show() -> None:
    """Nor in an argument of the message."""
    secret = Secret("canary")
    line = _written("one %s", secret, plain=secret, nested={"in": [secret]})
    assert "canary" not in json.dumps(line)


@pytest.mark.parametrize("level", list(LogLevel))
def test_the_level_is_that_of_the_setting(level: LogLevel) -> None:
    """For the broker and for gunicorn; libraries speak from WARNING."""
    config = logging_config(level)
    levels = {name: entry["level"] for name, entry in config["loggers"].items()}
    assert levels == {"broker": level.upper(), "gunicorn.error": level.upper()}
    assert config["root"]["level"] == "WARNING"
    assert level.upper() in logging.getLevelNamesMapping()


@pytest.mark.sockets
def test_lines_go_to_standard_output_once_each() -> None:
    """From the level on, whoever speaks."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=True
    )
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.stderr == ""
    assert [(line["logger"], line["level"], line["event"]) for line in lines] == [
        ("broker.a", "WARNING", "heard"),
        ("gunicorn.error", "ERROR", "heard too"),
        ("library", "WARNING", "heard as well"),
    ]
    assert lines[0]["n"] == 1
