"""``broker status``: what people see, what scripts get, and the codes that monitoring reads."""

import importlib
import json
import os
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from broker.cli import main
from broker.cli.health_client import (
    Answer,
    Tls,
    UnusableOptionError,
    address_from,
    address_of,
)
from broker.cli.health_page import about, hours, minutes, page
from broker.cli.paint import colours_for, plain
from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import CONSUMER, SECRET_KEY, Deployment
from tests.redis.certificates import LOOPBACK, Authority
from tests.servers import RedisServer, free_port
from tests.upstream.scripted import ScriptedServer

module = importlib.import_module("broker.cli.status")
WIDE = 200
ACME: dict[str, Any] = {
    "componentId": "acme",
    "status": "pass",
    "output": "A valid token is there.",
    "state": "fresh",
    "expires_in": 723,
    "refresh_expires_in": 86399,
    "last_refresh_seconds_ago": 177,
    "next_attempt_in": None,
    "in_use": True,
}
BOLT: dict[str, Any] = {
    "componentId": "bolt",
    "status": "fail",
    "output": "Canvas refuses the keys: replace this organization's credentials.",
    "state": "empty",
    "expires_in": -3,
    "refresh_expires_in": None,
    "last_refresh_seconds_ago": 7300,
    "next_attempt_in": 845,
    "in_use": False,
}
BODY: dict[str, Any] = {
    "status": "warn",
    "version": "1.2.3",
    "serviceId": "canvas-token-broker",
    "checks": {
        "organization:token": [ACME, BOLT],
        "redis:connection": [{"status": "pass", "output": "Redis answers."}],
        "upstream:connection": [
            {"status": "pass", "output": "Canvas answers.", "last_success_seconds_ago": 130}
        ],
        "files": [
            {
                "componentId": "callers",
                "status": "warn",
                "output": "BROKER_CALLERS_FILE is not TOML.",
                "last_reload_seconds_ago": 200000,
            }
        ],
        "workers": [{"componentId": "17", "status": "pass", "output": "Runs.", "uptime": 7201}],
    },
}
TODAY: dict[str, Any] = {
    "status": "pass",
    "version": "0.1.0",
    "serviceId": "canvas-token-broker",
    "checks": {
        "organization:token": [{"componentId": "acme", "status": "pass", "state": "stale"}],
        "redis:connection": [{"status": "pass", "output": "Redis answers."}],
        "files": [{"status": "warn", "output": ["One.", "Two."]}],
    },
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine counts."""
    for name in [name for name in os.environ if name.startswith("BROKER_")]:
        monkeypatch.delenv(name)


def status(*arguments: str, **environ: str) -> Result:
    """Run the command, which shows no traceback."""
    result = CliRunner().invoke(main, ["status", *arguments], env=environ)
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def lines(body: dict[str, Any] = BODY, width: int = WIDE, *, colours: bool = False) -> list[str]:
    """Return the page."""
    return page(body, "http://127.0.0.1:8080", width, colours=colours)


class TestThePage:
    def test_a_row_for_each_organization(self) -> None:
        """State, times and the sentence; the columns stand below each other."""
        heading, acme, bolt = lines()[2:5]
        assert re.split(r"\s{2,}", acme) == [
            *("pass", "acme", "fresh", "12:03", "23:59", "2 min ago", "-"),
            "A valid token is there.",
        ]
        assert re.split(r"\s{2,}", bolt)[:7] == [
            *("fail", "bolt", "empty (unused)", "over", "-", "2 h ago", "in 14 min")
        ]
        assert heading.index("expires") == acme.index("12:03") == bolt.index("over")

    def test_the_overall_word_stands_first(self) -> None:
        """With version and address."""
        assert lines()[0] == "WARN  canvas-token-broker 1.2.3  http://127.0.0.1:8080"

    def test_those_that_are_not_shown_are_counted(self) -> None:
        """Where there are more than a page."""
        by_status = {"pass": 9998, "warn": 1, "fail": 1}
        counts = {"total": 10_000, "status": by_status, "page": 1, "pages": 100}
        assert (
            "2 of 10000 organizations (9998 pass, 1 warn, 1 fail), worst first: page 1 of 100."
            in lines({**BODY, "organizations": counts})
        )
        assert lines({**BODY, "organizations": {**counts, "total": 2}}) == lines()

    def test_all_parts_have_a_line(self) -> None:
        """Redis, Canvas, files and workers, each with its word."""
        text = "\n".join(lines())
        assert re.search(r"^pass +Redis +Redis answers\.$", text, re.MULTILINE)
        assert "Canvas answers. (last answer 2 min ago)" in text
        assert re.search(
            r"^warn +files callers +BROKER_CALLERS_FILE .*\(taken over 2 d ago", text, 8
        )
        assert re.search(r"^pass +worker 17 +Runs\. \(up 2 h\)$", text, re.MULTILINE)

    def test_missing_fields_are_a_dash(self) -> None:
        """A broker of another version knows less."""
        text = lines(TODAY)
        assert re.split(r"\s{2,}", text[3]) == ["pass", "acme", "stale", "-", "-", "-", "-", "-"]
        assert text[-1].endswith("One. Two.")

    @pytest.mark.parametrize(
        "checks",
        [
            None,
            [],
            {},
            {"organization:token": None},
            {"organization:token": [None, 3, {}]},
            {"organization:token": [{"expires_in": "soon", "status": 7, "output": {"a": 1}}]},
            {"workers": [{"uptime": True}]},
        ],
    )
    def test_whatever_comes_is_shown(self, checks: object) -> None:
        """Nothing in the body is relied upon."""
        assert lines({"status": "pass", "checks": checks})[0].startswith("PASS  - -")

    @pytest.mark.parametrize("width", [100, 80, 40])
    def test_narrow_terminals(self, width: int) -> None:
        """Sentences go below their row, and at last each organization is a block; all is told."""
        text = lines(width=width)
        assert max(map(len, text)) <= max(width, 60)
        assert "replace this organization's credentials." in " ".join(" ".join(text).split())
        assert any("12:03" in line for line in text)

    def test_colours(self) -> None:
        """Only on demand, and they do not shift the columns."""
        bare = re.compile(r"\x1b\[[0-9;]*m")
        coloured = lines(colours=True)
        assert "\x1b[32mpass" in "\n".join(coloured)
        assert "\x1b[31mfail" in "\n".join(coloured)
        assert [bare.sub("", line) for line in coloured] == lines()

    def test_nothing_steers_the_terminal(self) -> None:
        """Whoever answers at the address."""
        evil = {**ACME, "componentId": "a\x1b[2Jb", "output": ["\x1b]0;title\x07", "\r\n"]}
        text = "".join(lines({"status": "pass\x1b", "checks": {"organization:token": [evil]}}))
        assert "\x1b" not in text
        assert plain("a\x1b\x07\u202eb") == "a   b"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, ("-", "-", "-")),
        ("7", ("-", "-", "-")),
        (True, ("-", "-", "-")),
        (-1, ("over", "over", "-1 s")),
        (0, ("over", "over", "0 s")),
        (59, ("0:59", "0:00", "59 s")),
        (119, ("1:59", "0:01", "119 s")),
        (600, ("10:00", "0:10", "10 min")),
        (7199, ("119:59", "1:59", "119 min")),
        (86399, ("1439:59", "23:59", "23 h")),
        (172800, ("2880:00", "48:00", "2 d")),
    ],
)
def test_durations(seconds: object, shown: tuple[str, str, str]) -> None:
    """Minutes, hours, and the largest unit that fits."""
    assert (minutes(seconds), hours(seconds), about(seconds)) == shown


class TestAddresses:
    @pytest.mark.parametrize(
        ("given", "asked"),
        [
            ("http://broker:8080", "http://broker:8080/health"),
            ("https://broker/", "https://broker/health"),
            ("broker:8080", "http://broker:8080/health"),
            ("http://broker/health", "http://broker/health"),
            ("http://broker/under/", "http://broker/under/health"),
            ("[::1]:8080", "http://[::1]:8080/health"),
        ],
    )
    def test_urls(self, given: str, asked: str) -> None:
        """With or without scheme and path."""
        assert address_of(given) == asked

    @pytest.mark.parametrize(
        "given",
        ["", "ftp://broker", "http://", "http://a:b@broker", "http://a:99999", "http://a?b", "[x"],
    )
    def test_no_urls(self, given: str) -> None:
        """A password does not belong there."""
        with pytest.raises(UnusableOptionError):
            address_of(given)

    @pytest.mark.parametrize(
        ("bind", "tls", "asked"),
        [
            ("0.0.0.0:80", False, "http://127.0.0.1:80/health"),
            ("[::]:80", False, "http://[::1]:80/health"),
            ("unix:/run/broker, 10.0.0.7:81,10.0.0.8:82", True, "https://10.0.0.7:81/health"),
        ],
    )
    def test_the_own_machines_broker(self, bind: str, tls: bool, asked: str) -> None:
        """From its BROKER_BIND."""
        assert address_from("BROKER_BIND", bind, tls=tls) == asked

    @pytest.mark.parametrize("setting", ["BROKER_BIND", "BROKER_MANAGEMENT_BIND"])
    def test_a_socket_alone(self, setting: str) -> None:
        """Cannot be asked."""
        result = status(**{setting: "unix:/run/broker"})
        assert result.exit_code == 3
        assert f"{setting} names no host and port" in result.stderr

    @pytest.mark.parametrize(
        ("tls", "cert", "scheme"),
        [
            ("", "", "http"),
            ("", "c.pem", "https"),
            ("same", "c.pem", "https"),
            ("off", "c.pem", "http"),
            ("same", "", "http"),
        ],
    )
    def test_the_management_port_is_asked(self, tls: str, cert: str, scheme: str) -> None:
        """Where there is one, in the way that it is served."""
        settings = {
            "BROKER_BIND": "127.0.0.1:1",
            "BROKER_TLS_CERT_FILE": cert,
            "BROKER_MANAGEMENT_BIND": "127.0.0.1:2",
            "BROKER_MANAGEMENT_TLS": tls,
        }
        assert status(**settings).stderr.startswith(f"{scheme}://127.0.0.1:2/health: ")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Answer from this list in place of a broker."""
    queued: list[Any] = []

    def fetch(address: str, tls: Tls) -> Answer:
        answer = queued.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return Answer(200, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    monkeypatch.setattr(module, "fetch", fetch)
    return queued


class TestTheCommand:
    @pytest.mark.parametrize(("word", "code"), [("pass", 0), ("warn", 1), ("fail", 2)])
    def test_exit_codes(self, answers: list[Any], word: str, code: int) -> None:
        """As monitoring plugins have them."""
        answers.append({**BODY, "status": word})
        result = status("http://broker:8080")
        assert result.exit_code == code
        assert result.stdout.startswith(f"{word.upper()}  ")
        assert "\x1b" not in result.stdout

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"status": "up"}', b"\xff"])
    def test_no_health_is_unknown(self, answers: list[Any], body: bytes) -> None:
        """Something else answers there."""
        answers.append(body)
        result = status("broker:8080")
        assert (result.exit_code, result.stdout) == (3, "")
        assert "is this a broker?" in result.stderr

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--nonsense"],
            ["one", "two"],
            ["http://user:canary@broker"],
            ["--watch", "0"],
            ["--watch", "often"],
            ["--ca-file", "/nowhere/at/all"],
            ["--key", __file__],
            ["--insecure", "--ca-file", __file__],
            ["--ca-file", __file__],
            ["--cert", __file__],
        ],
    )
    def test_a_wrong_command_line_is_unknown(self, arguments: list[str]) -> None:
        """And never taken for an outage, which is 2."""
        result = status(*arguments)
        assert result.exit_code == 3
        assert "Usage:" in result.stderr
        assert "Error: " in result.stderr
        assert "canary" not in result.output

    def test_json_is_passed_through(self, answers: list[Any]) -> None:
        """As it came."""
        answers.append({**BODY, "later": "field"})
        result = status("broker:8080", "--json")
        assert json.loads(result.stdout) == {**BODY, "later": "field"}
        assert result.exit_code == 1

    def test_without_a_url_the_own_machines(self, answers: list[Any]) -> None:
        """By default, and by BROKER_BIND."""
        answers += [BODY, BODY, BODY]
        assert "http://127.0.0.1:8080" in status().stdout
        assert "http://127.0.0.1:81" in status(BROKER_BIND="0.0.0.0:81").stdout
        environ = {"BROKER_BIND": "127.0.0.1:81", "BROKER_TLS_CERT_FILE": "x"}
        assert "https://127.0.0.1:81" in status(**environ).stdout

    def test_watching_ends_with_the_last_code(
        self, answers: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At Ctrl-C; an outage in between does not end it."""
        answers += [BODY, module.UnreachableError("Away."), {**BODY, "status": "pass"}]
        slept: list[float] = []

        def sleep(self: object, seconds: float) -> None:
            slept.append(seconds)
            if not answers:
                raise KeyboardInterrupt

        monkeypatch.setattr(module.SystemClock, "sleep", sleep)
        result = status("broker:8080", "--watch", "5")
        assert result.exit_code == 0
        assert slept == [5.0] * 3
        assert result.stdout.count("canvas-token-broker") == 2
        assert "Away." in result.stderr
        assert "\x1b" not in result.stdout

    def test_watching_each_two_seconds(
        self, answers: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where nothing else is said; one JSON document a line."""
        answers += [BODY, BODY]
        slept: list[float] = []

        def sleep(self: object, seconds: float) -> None:
            slept.append(seconds)
            if not answers:
                raise KeyboardInterrupt

        monkeypatch.setattr(module.SystemClock, "sleep", sleep)
        result = status("broker:8080", "--json", "--watch")
        assert [json.loads(line)["status"] for line in result.stdout.splitlines()] == ["warn"] * 2
        assert (slept, result.exit_code) == ([2.0, 2.0], 1)

    def test_an_answer_that_takes_too_long(
        self, answers: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Critical, as an outage."""
        answers.append(module.OverdueError())
        result = status("broker:8080")
        assert result.exit_code == 2
        assert "No whole answer within 10 s." in result.stderr

    def test_help_names_the_exit_codes(self) -> None:
        """And where the address comes from."""
        text = " ".join(CliRunner().invoke(main, ["status", "--help"]).output.split())
        assert "0 pass; 1 warn; 2 fail" in text
        assert "BROKER_BIND" in text

    def test_colours_are_for_terminals(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Unless NO_COLOR is set, to whatever."""

        class Terminal:
            def isatty(self) -> bool:
                return True

        terminal: Any = Terminal()
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert colours_for(terminal)
        monkeypatch.setenv("NO_COLOR", "1")
        assert not colours_for(terminal)


@pytest.mark.sockets
class TestOverHttp:
    def test_nobody_listens(self) -> None:
        """Critical, with a sentence on standard error."""
        result = status(f"127.0.0.1:{free_port()}")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "Nobody takes the connection" in result.stderr

    def test_a_name_that_nobody_knows(self) -> None:
        """The same."""
        result = status("http://broker.invalid")
        assert result.exit_code == 2
        assert "cannot be resolved" in result.stderr

    def test_a_failing_broker_answers_503(self) -> None:
        """Which is an answer."""
        body = json.dumps({**BODY, "status": "fail"}).encode()
        head = b"HTTP/1.1 503 No\r\nContent-Length: %d\r\n\r\n" % len(body)
        with ScriptedServer(head + body) as server:
            result = status(server.url.removesuffix("/api"))
        assert result.exit_code == 2
        assert result.stdout.startswith("FAIL")
        assert server.received[0].startswith(b"GET /health HTTP/1.1\r\n")

    def test_one_organization_or_page_is_asked_for(self) -> None:
        """By the query; what the broker says against it is told."""
        told = json.dumps({"error": "not_found", "error_description": "No such name."}).encode()
        head = b"HTTP/1.1 404 No\r\nContent-Length: %d\r\n\r\n" % len(told)
        with ScriptedServer(head + told) as server:
            address = server.url.removesuffix("/api")
            result = status(address, "--organization", "acme", "--page", "2")
        assert server.received[0].startswith(b"GET /health?organization=acme&page=2 HTTP/1.1\r\n")
        assert result.exit_code == 3
        assert "It answers 404: No such name." in result.stderr

    @pytest.mark.parametrize("code", [200, 302, 404])
    def test_something_else_answers(self, code: int) -> None:
        """Unknown; a redirect is not followed."""
        head = b"HTTP/1.1 %d Word\r\nLocation: /health\r\nContent-Length: 0\r\n\r\n" % code
        with ScriptedServer(head) as server:
            assert status(f"127.0.0.1:{server.port}").exit_code == 3
        assert len(server.received) == 1

    @pytest.mark.parametrize("code", [500, 502, 503])
    def test_an_outage_of_what_stands_before_it(self, code: int) -> None:
        """Critical, whatever the page says."""
        page = b"HTTP/1.1 %d Word\r\nContent-Length: 6\r\n\r\n<html>" % code
        with ScriptedServer(page) as server:
            result = status(f"127.0.0.1:{server.port}")
        assert result.exit_code == 2
        assert f"It answers {code}" in result.stderr

    def test_tls(self, tmp_path: Path) -> None:
        """Trusted by the authority named, or blindly on demand; else critical."""
        authority = Authority(tmp_path, "ours")
        pair = authority.server(LOOPBACK)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        body = json.dumps({**BODY, "status": "pass"}).encode()
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        with ScriptedServer(answer, tls=context) as server:
            address = f"https://127.0.0.1:{server.port}"
            assert status(address, "--ca-file", str(authority.file)).exit_code == 0
            assert status(address, "--insecure").exit_code == 0
            refused = status(address)
            assert refused.exit_code == 2
            assert "--ca-file" in refused.stderr

    def test_a_client_certificate(self, tmp_path: Path) -> None:
        """Is shown where the broker asks for one."""
        authority = Authority(tmp_path, "ours")
        pair = authority.server(LOOPBACK)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(pair.certificate, pair.key)
        body = json.dumps({**BODY, "status": "pass"}).encode()
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        trust = ["--ca-file", str(authority.file)]
        shown = ["--cert", str(pair.certificate), "--key", str(pair.key)]
        with ScriptedServer(answer, tls=context) as server:
            address = f"https://127.0.0.1:{server.port}"
            assert status(address, *trust, *shown).exit_code == 0
            assert status(address, *trust).exit_code == 2


@pytest.fixture
def running(tmp_path: Path, valkey: RedisServer) -> Iterator[Deployment]:
    """Start a real broker with a token."""
    settings = {"BROKER_REDIS_PREFIX": "status", "BROKER_WORKERS": "1"}
    with EmulatorServer(Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"})) as emulator:
        fleet = Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings)
        with fleet:
            fleet.wait_for_token()
            yield fleet


@pytest.mark.sockets
def test_a_real_broker(running: Deployment) -> None:
    """Its token is fresh, and what it answers holds no secret."""
    broker = running.brokers[0]
    broker.wait_for("/health", lambda reply: reply.body.get("status") == "pass")
    result = status(BROKER_BIND=f"127.0.0.1:{broker.port}")
    assert result.exit_code == 0
    assert re.search(r"^pass +acme +fresh +\d+:\d\d +23:\d\d ", result.stdout, re.MULTILINE)
    assert not [one for one in (CONSUMER, SECRET_KEY, running.key, "eyJ") if one in result.stdout]
