"""Every log line is one JSON object with the same four names and what goes with the event."""

import json
import logging
import logging.config
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from broker.redaction import Redactor
from broker.secret import SHOWN, Secret
from broker.settings import LogFormat, LogLevel
from broker.tokens import Kind
from broker.web.context import REQUEST_ID, TRACE_ID
from broker.web.log_formats import Text
from broker.web.logs import PrintedLines, logging_config
from tests.web.kept import KeptLines

CANARY = "open-sesame"
SCRIPT = """
import logging, logging.config
from broker.settings import LogFormat, LogLevel
from broker.web.context import REQUEST_ID, TRACE_ID
from broker.web.log_formats import Text
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
        config["formatters"]["line"]
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
    levels = {name: entry["level"] for name, entry in config["loggers"].items() if "level" in entry}
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


@pytest.fixture
def out() -> KeptLines:
    """Take the lines of :func:`log`."""
    return KeptLines()


@pytest.fixture
def log(out: KeptLines) -> logging.Logger:
    """Return a logger on a handler as it is configured."""
    config = logging_config(LogLevel.DEBUG)
    configurator = logging.config.DictConfigurator(config)
    formatter = configurator.configure_formatter(config["formatters"]["line"])
    configurator.config["formatters"]["line"] = formatter
    context = configurator.configure_filter(config["filters"]["context"])
    configurator.config["filters"]["context"] = context
    handler = configurator.configure_handler(config["handlers"]["out"] | {"lines": out})
    logger = logging.Logger("broker.x")  # noqa: LOG001  # nobody else is to have it
    logger.addHandler(handler)
    return logger


def _crash(secret: Secret) -> None:
    try:
        int(secret.reveal())
    except ValueError as error:
        raise KeyError("around it") from error


@pytest.mark.parametrize(
    "write",
    [
        lambda log, value: log.info(value),
        lambda log, value: log.info("it is %s", value),
        lambda log, value: log.info("it is %r", [value]),
        lambda log, value: log.info("it", extra={"it": value}),
        lambda log, value: log.info("it", extra={"it": {"in": [f"a {value}"]}}),
        lambda log, value: log.info("it", extra={value: 1}),
        lambda log, value: log.info({"it": value}),
    ],
)
def test_a_line_that_says_a_live_secret_says_a_mark(
    write: Callable[[logging.Logger, str], None], log: logging.Logger, out: KeptLines
) -> None:
    """In the message, an argument or an extra; the rest of the line is kept."""
    secret = Secret(CANARY)
    write(log, secret.reveal())
    line = out.text
    assert "sesame" not in line
    assert SHOWN in line
    assert json.loads(line)["level"] == "INFO"
    del secret


def test_a_traceback_passes_too(log: logging.Logger, out: KeptLines) -> None:
    """With all exceptions that led to it, and with the stack where it was asked for."""
    secret = Secret(CANARY)
    try:
        _crash(secret)
    except KeyError:
        log.exception("crashed", stack_info=True)
    line = json.loads(out.text)
    assert "sesame" not in out.text
    assert f"base 10: '{SHOWN}'" in line["exc_info"]
    assert "KeyError: 'around it'" in line["exc_info"]
    assert "test_a_traceback_passes_too" in line["stack_info"]


def test_a_line_that_cannot_be_redacted_is_withheld(
    log: logging.Logger, out: KeptLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fixed line says so, with the class of what went wrong."""

    def fail(_: object, text: str) -> str:
        raise RuntimeError(text)

    monkeypatch.setattr(Redactor, "redact", fail)
    log.info("about %s", CANARY)
    line = json.loads(out.text)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", line.pop("time"))
    assert line == {
        "level": "ERROR",
        "logger": "broker.web.logs",
        "event": "log.withheld",
        "error": "RuntimeError",
    }


def test_a_line_that_cannot_be_made_is_withheld(
    log: logging.Logger, out: KeptLines, capfd: pytest.CaptureFixture[str]
) -> None:
    """Python would print the arguments of a wrong call to standard error."""
    log.info("%d", CANARY)
    assert json.loads(out.text)["event"] == "log.withheld"
    assert "".join(capfd.readouterr()) == ""


def test_a_line_that_is_no_text_is_written_all_the_same(
    log: logging.Logger, out: KeptLines
) -> None:
    """Half a surrogate pair has no place in UTF-8; as text, not as JSON."""
    log.handlers[0].setFormatter(Text())
    log.info("half \ud800 a pair")
    assert out.text.endswith("half \\ud800 a pair\n")


def test_what_is_printed_becomes_lines(caplog: pytest.LogCaptureFixture) -> None:
    """A library that prints must not block either; lines that are begun wait for their end."""
    out = PrintedLines()
    print("one", "two", file=out)
    print("begun", file=out, end="")
    print(" and ended\n\nthree", file=out)
    print("not ended", file=out, end="", flush=True)
    assert [(one.levelname, one.message, vars(one)["text"]) for one in caplog.records] == [
        ("WARNING", "process.printed", "one two"),
        ("WARNING", "process.printed", "begun and ended"),
        ("WARNING", "process.printed", "three"),
    ]


CRASHES = """
import logging, logging.config, sys, threading, warnings
from broker.secret import Secret
from broker.settings import LogFormat, LogLevel
from broker.web.context import REQUEST_ID, TRACE_ID
from broker.web.log_formats import Text
from broker.web.logs import install_hooks, logging_config
logging.config.dictConfig(logging_config(LogLevel.DEBUG))
install_hooks()
secret = Secret("open-%s" % "sesame")

class Unable:
    def __del__(self):
        raise OSError(secret.reveal())

def crash():
    raise KeyError(secret.reveal())

warnings.warn(f"do not use {secret.reveal()}")
print(f"printed {secret.reveal()}", file=sys.stderr)
thread = threading.Thread(target=crash, name="worker")
thread.start()
thread.join()
leaving = threading.Thread(target=sys.exit)
leaving.start()
leaving.join()
Unable()
logging.getLogger("urllib3.connectionpool").critical("a URL")
try:
    crash()
except KeyError:
    raise RuntimeError(f"with {secret.reveal()}")
"""


@pytest.mark.sockets
def test_what_python_would_print_is_logged() -> None:
    """Uncaught exceptions, in threads and in ``__del__`` too, and warnings; urllib3 is not."""
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", CRASHES],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "sesame" not in ended.stdout
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("py.warnings", "WARNING"),
        ("broker.web.logs", "WARNING"),
        ("broker.web.logs", "ERROR"),
        ("broker.web.logs", "ERROR"),
        ("broker.web.logs", "CRITICAL"),
    ]
    assert f"do not use {SHOWN}" in lines[0]["event"]
    assert lines[1]["text"] == f"printed {SHOWN}"
    assert [line["event"] for line in lines[1:]] == [
        "process.printed",
        "thread.crashed",
        "cleanup.crashed",
        "process.crashed",
    ]
    assert lines[2]["thread_name"] == "worker"
    assert f"KeyError: '{SHOWN}'" in lines[4]["exc_info"]
    assert f"RuntimeError: with {SHOWN}" in lines[4]["exc_info"]


def test_a_line_of_a_request_names_it(log: logging.Logger, out: KeptLines) -> None:
    """Its id, and the trace it belongs to; other lines name neither."""
    log.info("outside")
    REQUEST_ID.set("request-1")
    TRACE_ID.set("0af7651916cd43dd8448eb211c80319c")
    try:
        log.info("inside")
    finally:
        REQUEST_ID.set(None)
        TRACE_ID.set(None)
    outside, inside = (json.loads(line) for line in out.text.splitlines())
    assert "request_id" not in outside
    assert inside["request_id"] == "request-1"
    assert inside["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("form", "terminal", "formatter"),
    [
        (LogFormat.JSON, True, "Json"),
        (LogFormat.TEXT, False, "Text"),
        (LogFormat.AUTO, True, "Text"),
        (LogFormat.AUTO, False, "Json"),
    ],
)
def test_how_a_line_looks_is_chosen(
    monkeypatch: pytest.MonkeyPatch, form: LogFormat, *, terminal: bool, formatter: str
) -> None:
    """Text for people, JSON for machines."""
    monkeypatch.setattr("os.isatty", lambda descriptor: terminal and descriptor == 1)
    made = logging_config(LogLevel.INFO, form)["formatters"]["line"]["()"]
    assert made == f"broker.web.log_formats.{formatter}"


def test_text_is_one_readable_line() -> None:
    """Time of day, level, event, and what is with it."""
    record = logging.LogRecord("broker.x", logging.WARNING, "f", 1, "upstream.failed", (), None)
    vars(record).update({"organization": "acme", "error": "two words", "empty": ""})
    line = Text().format(record)
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d WARNING upstream.failed organization=acme error='two words' empty=''",
        line,
    )


def test_text_shows_a_traceback_below() -> None:
    """As people know it."""
    error = ValueError("x")
    found = (ValueError, error, None)
    record = logging.LogRecord("b", logging.ERROR, "f", 1, "boom", (), found)
    first, *rest = Text().format(record).splitlines()
    assert first.endswith("ERROR   boom")
    assert rest == ["ValueError: x"]
