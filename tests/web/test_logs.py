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

from broker.secret import Secret
from broker.settings import LogFormat, LogLevel
from broker.tokens import Kind
from broker.web.context import REQUEST_ID, TRACE_ID
from broker.web.log_events import FOREIGN
from broker.web.log_formats import Json, Text, told
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
logging.getLogger("broker.a").warning("files.reloaded", extra={"what": "callers", "n": 1})
logging.getLogger("gunicorn.error").info("too quiet")
logging.getLogger("gunicorn.error").error("heard %s", "too")
logging.getLogger("library").info("too quiet")
logging.getLogger("library").warning("heard as well")
"""


def _written(message: str, *arguments: object, **extra: object) -> dict[str, Any]:
    """Return the line that the formatter makes of an event, read back."""
    record = logging.LogRecord("broker.x", logging.INFO, "file", 1, message, arguments, None)
    vars(record).update(extra)
    text = Json().format(record)
    assert "\n" not in text
    line: dict[str, Any] = json.loads(text)
    return line


def test_a_line_has_time_level_logger_event_and_its_fields() -> None:
    """In that order; the time has seconds and an offset."""
    line = _written("upstream.answered", organization="acme", seconds=7, kind=Kind.REFRESH)
    time = line.pop("time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", time)
    assert list(line.items()) == [
        ("level", "INFO"),
        ("logger", "broker.x"),
        ("event", "upstream.answered"),
        ("organization", "acme"),
        ("kind", "refresh"),
        ("seconds", 7),
    ]


def test_a_line_break_does_not_break_the_line() -> None:
    """Nobody can forge a line."""
    line = _written("files.refused", what='a\n{"event": "forged"}', problems=["c\r\nd"])
    assert line["what"] == 'a\n{"event": "forged"}'
    assert line["problems"] == ["c\r\nd"]


def test_a_field_that_is_no_text_is_told_as_text() -> None:
    """Also a secret, which shows itself nowhere."""
    line = _written("files.refused", what=Secret("canary"), problems=[Secret("canary")])
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
        ("broker.a", "WARNING", "files.reloaded"),
        ("gunicorn.error", "ERROR", FOREIGN),
        ("library", "WARNING", FOREIGN),
    ]
    assert lines[0]["what"] == "callers"
    assert "n" not in lines[0]


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
    handler = configurator.configure_handler(config["handlers"]["out"] | {"lines": out})
    logger = logging.Logger("broker.x")  # noqa: LOG001  # nobody else is to have it
    logger.addHandler(handler)
    return logger


def _crash() -> None:
    try:
        int(CANARY)
    except ValueError as error:
        raise KeyError(CANARY) from error


@pytest.mark.parametrize("name", ["broker.x", "broker", "library"])
@pytest.mark.parametrize(
    "write",
    [
        lambda log: log.info(CANARY),
        lambda log: log.info("it is %s", CANARY),
        lambda log: log.info("it", extra={"it": CANARY}),
        lambda log: log.info("it", extra={CANARY: 1}),
        lambda log: log.info({"it": CANARY}),
        lambda log: log.info("a " + CANARY, extra={"reason": CANARY}),  # noqa: G003  # a careless one
    ],
)
def test_only_where_it_was_said_is_told_of_other_lines(
    write: Callable[[logging.Logger], None], log: logging.Logger, out: KeptLines, name: str
) -> None:
    """No message, no argument and no extra; logger, level and place are told."""
    log.name = name
    write(log)
    assert "sesame" not in out.text
    line = json.loads(out.text)
    assert (line["level"], line["logger"], line["event"]) == ("INFO", name, FOREIGN)
    assert re.fullmatch(r"test_logs\.<lambda>:\d+", line["place"])


def test_a_field_that_is_not_declared_is_left_out(log: logging.Logger, out: KeptLines) -> None:
    """The others are told."""
    log.info("audit.failed", extra={"reason": "disk full", "line": CANARY})
    line = json.loads(out.text)
    assert line.keys() == {"time", "level", "logger", "event", "reason"}


def test_an_event_is_the_brokers_alone(log: logging.Logger, out: KeptLines) -> None:
    """A library that says the same is heard as a library."""
    log.name = "brokerage"
    log.info("audit.failed", extra={"reason": CANARY})
    assert json.loads(out.text)["event"] == FOREIGN
    assert "sesame" not in out.text


def test_of_an_exception_class_causes_and_calls_are_told(
    log: logging.Logger, out: KeptLines
) -> None:
    """No message and no source line: both may quote a secret."""
    try:
        _crash()
    except KeyError:
        log.exception("process.crashed", stack_info=True)
    line = json.loads(out.text)
    assert "sesame" not in out.text
    assert (line["error"], line["causes"]) == ("KeyError", ["ValueError"])
    calls = [call.rpartition(":")[0] for call in line["calls"]]
    here = "test_of_an_exception_class_causes_and_calls_are_told"
    assert calls == [f"{__name__}.{here}", f"{__name__}._crash"]


def test_exceptions_that_lead_to_each_other_come_to_an_end() -> None:
    """Each is told once."""
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    record = logging.LogRecord("b", logging.ERROR, "f", 1, "x", (), (ValueError, first, None))
    assert dict(told(record))["causes"] == ["KeyError"]


def test_a_line_that_cannot_be_made_is_withheld(log: logging.Logger, out: KeptLines) -> None:
    """A fixed line says so, with the class of what went wrong."""
    endless: list[object] = []
    endless.append(endless)
    log.info("files.refused", extra={"problems": endless})
    line = json.loads(out.text)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", line.pop("time"))
    assert line == {
        "level": "ERROR",
        "logger": "broker.web.logs",
        "event": "log.withheld",
        "error": "ValueError",
    }


def test_a_line_that_is_no_text_is_written_all_the_same(
    log: logging.Logger, out: KeptLines
) -> None:
    """Half a surrogate pair has no place in UTF-8; as text, not as JSON."""
    log.handlers[0].setFormatter(Text())
    log.info("audit.failed", extra={"reason": "half\ud800"})
    assert out.text.endswith("reason=half\\ud800\n")


def test_what_is_printed_becomes_lines(caplog: pytest.LogCaptureFixture) -> None:
    """A library that prints must not block either; lines that are begun wait for their end."""
    out = PrintedLines()
    print("one", "two", file=out)
    print("begun", file=out, end="")
    print(" and ended\n\nthree", file=out)
    print("not ended", file=out, end="", flush=True)
    assert [(one.levelname, one.message, vars(one)["characters"]) for one in caplog.records] == [
        ("WARNING", "process.printed", len("one two")),
        ("WARNING", "process.printed", len("begun and ended")),
        ("WARNING", "process.printed", len("three")),
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
    """Uncaught exceptions, in threads and in ``__del__`` too, and warnings."""
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
        ("urllib3.connectionpool", "CRITICAL"),
        ("broker.web.logs", "CRITICAL"),
    ]
    assert [line["event"] for line in lines] == [
        FOREIGN,
        "process.printed",
        "thread.crashed",
        "cleanup.crashed",
        FOREIGN,
        "process.crashed",
    ]
    assert lines[1]["characters"] == len("printed open-sesame")
    assert (lines[2]["thread_name"], lines[2]["error"]) == ("worker", "KeyError")
    assert (lines[5]["error"], lines[5]["causes"]) == ("RuntimeError", ["KeyError"])


def test_a_line_of_a_request_names_it(log: logging.Logger, out: KeptLines) -> None:
    """Its id, and the trace it belongs to; other lines name neither."""
    log.info("audit.recovered")
    REQUEST_ID.set("request-1")
    TRACE_ID.set("0af7651916cd43dd8448eb211c80319c")
    try:
        log.info("audit.recovered")
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
    vars(record).update({"organization": "acme", "error": "two words", "kind": ""})
    line = Text().format(record)
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d WARNING upstream.failed organization=acme kind='' error='two words'",
        line,
    )


def test_text_shows_the_calls_below() -> None:
    """Of an exception, as far as they may be told."""
    with pytest.raises(KeyError) as caught:
        _crash()
    found = caught.type, caught.value, caught.tb
    record = logging.LogRecord("broker.x", logging.ERROR, "f", 1, "process.crashed", (), found)
    first, *rest = Text().format(record).splitlines()
    assert first.endswith("ERROR   process.crashed error=KeyError causes=['ValueError']")
    assert [line.rpartition(":")[0] for line in rest] == [
        f"  in {__name__}.test_text_shows_the_calls_below",
        f"  in {__name__}._crash",
    ]
