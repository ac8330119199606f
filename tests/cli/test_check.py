"""``broker check``: a line for each step, what is wrong in it, and what the exit code says."""

import errno
import importlib
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from broker.callers import key_digest
from broker.cli import main
from broker.cli.canvas_steps import canvas_steps
from broker.cli.redis_steps import redis_steps
from broker.cli.steps import (
    Finding,
    Step,
    Word,
    fail,
    no_progress,
    ok,
    progress_for,
    run,
    show_progress,
    warn,
    within,
)
from broker.clock import SystemClock
from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from broker.secret import Secret
from broker.settings import Settings, load
from broker.upstream import FailureKind
from tests.files.folders import keys, write
from tests.kubernetes.cluster import AUDIENCE, Cluster
from tests.redis.certificates import LOOPBACK, Authority
from tests.servers import RedisServer, free_port
from tests.upstream.scripted import ScriptedServer

module = importlib.import_module("broker.cli.check")
ACME = keys("a")
SECRETS = (
    ACME.consumer.reveal(),
    ACME.secret_key.reveal(),
    "redis-password",
    "canary",
    key_digest("canary"),
)
REDIS = [
    "Redis connection",
    "Redis login",
    "Redis round trip",
    "Redis scripts",
    "Redis feed",
    "Redis server",
    "Redis clock",
]
CANVAS = ["Canvas name", "Canvas connection", "Canvas answer", "Canvas clock"]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine counts."""
    for name in [name for name in os.environ if name.startswith("BROKER_")]:
        monkeypatch.delenv(name)


def check(environ: dict[str, str], *options: str) -> Result:
    """Run the command; whatever it says, it tells no secret and shows no traceback."""
    result = CliRunner().invoke(main, ["check", *options], env=environ)
    assert not [secret for secret in SECRETS if secret in result.output]
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def findings(environ: dict[str, str], *options: str) -> dict[str, tuple[str, str]]:
    """Return word and sentences by the name of the step."""
    document = json.loads(check(environ, *options, "--json").stdout)
    return {one["name"]: (one["status"], "\n".join(one["output"])) for one in document["checks"]}


class TestSteps:
    def test_a_failure_skips_what_needs_it(self) -> None:
        """And what needs that, for the same reason; the rest goes on."""
        steps = [
            Step("one", lambda: fail("Broken."), 1),
            Step("two", lambda: ok("never"), 1, ("one",)),
            Step("three", lambda: ok("never"), 1, ("two",)),
            Step("four", lambda: warn("So so."), 1),
            Step("five", lambda: ok("Good."), 1, ("four",)),
        ]
        assert list(run(steps)) == [
            ("one", Finding(Word.FAIL, ("Broken.",))),
            ("two", Finding(Word.SKIPPED, ("Not tried: it needs one.",))),
            ("three", Finding(Word.SKIPPED, ("Not tried: it needs one.",))),
            ("four", Finding(Word.WARN, ("So so.",))),
            ("five", Finding(Word.OK, ("Good.",))),
        ]

    def test_work_that_hangs_is_given_up(self) -> None:
        """The others are still tried."""
        hung = threading.Event()

        def hang() -> Finding:
            hung.wait(10)
            return ok("never")

        found = dict(run([Step("one", hang, 0.05), Step("two", lambda: ok("Good."), 1)]))
        hung.set()
        assert found["one"].word is Word.FAIL
        assert "No result within 0.05 s" in found["one"].sentences[0]
        assert found["two"].word is Word.OK

    def test_a_defect_is_told_by_its_kind(self) -> None:
        """Its message may hold anything."""

        def break_down() -> Finding:
            raise ValueError("canary")

        ((_, found),) = run([Step("one", break_down, 1)])
        assert found.word is Word.FAIL
        assert "ValueError" in found.sentences[0]
        assert "canary" not in found.sentences[0]

    def test_who_waits_is_told(self) -> None:
        """At each tick, and once more with 0 when it is over."""
        told: list[float] = []
        enough = threading.Event()

        def note(name: str, seconds: float) -> None:
            assert name == "one"
            told.append(seconds)
            if len(told) == 2:
                enough.set()

        assert within(5, lambda: enough.wait(5), "one", note, tick=0.01)
        *waiting, last = told
        assert len(waiting) >= 2
        assert waiting == sorted(waiting)
        assert last == 0

    def test_quick_work_tells_nothing(self) -> None:
        """No line flickers."""
        told: list[str] = []
        assert within(5, lambda: 1, "one", lambda name, _: told.append(name)) == 1
        assert told == []

    def test_progress_is_for_terminals(self, capsys: pytest.CaptureFixture[str]) -> None:
        """On standard error, in a line that goes away again."""

        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        assert progress_for(io.StringIO()) is no_progress
        assert progress_for(Terminal()) is show_progress
        show_progress("Redis", 2.4)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "Redis: waiting, 2 s" in captured.err


class TestSettings:
    def test_every_problem_is_told(self) -> None:
        """In the step that it belongs to; what needs settings is skipped and says so."""
        bad = {
            "BROKER_REDIS_URL": "http://user:canary@redis/",
            "BROKER_LOG_LEVEL": "canary",
            "BROKER_WORKER": "3",
            "BROKER_CALLERS_FILE": "/nowhere/canary",
            "BROKER_CREDENTIALS_DIR": "/nowhere/canary",
        }
        result = check(bad)
        assert result.exit_code == 1
        found = findings(bad)
        word, told = found["settings"]
        assert word == "fail"
        assert len(told.splitlines()) == 3
        assert "BROKER_WORKER is not a setting; did you mean BROKER_WORKERS?" in told
        assert "BROKER_REDIS_URL must begin with" in told
        assert "BROKER_LOG_LEVEL must be one of" in told
        assert found["callers"] == ("fail", "BROKER_CALLERS_FILE does not exist.")
        assert found["credentials"][0] == "fail"
        for name in ("Redis", "Canvas"):
            assert found[name] == ("skipped", "Not tried: it needs settings.")
        for line in told.splitlines():
            assert line in result.stdout

    def test_contradictions_are_problems_of_the_settings(self, environ: dict[str, str]) -> None:
        """Nobody is asked anything with such settings: keys might travel in the clear."""
        environ |= {"BROKER_CANVAS_URL": "http://canvas.example/api", "BROKER_WAIT": "30"}
        found = findings(environ, "--authenticate")
        word, told = found["settings"]
        assert word == "fail"
        assert "BROKER_CANVAS_URL is plain http" in told
        assert "BROKER_WAIT is 30" in told
        network = [*REDIS, *CANVAS, "keys of acme"]
        assert {found[name][0] for name in network} == {"skipped"}

    def test_nothing_is_set(self) -> None:
        """What is required is told."""
        found = findings({})
        assert found["settings"] == ("fail", "BROKER_REDIS_URL is required.")
        assert "BROKER_CREDENTIALS_DIR, or BROKER_CONSUMER" in found["credentials"][1]
        assert "BROKER_CALLERS_FILE is required" in found["callers"][1]

    def test_the_files_that_are_good(self, environ: dict[str, str]) -> None:
        """They are told by what is in them, and not by secrets."""
        found = findings(environ)
        assert found["settings"] == ("ok", "All settings can be used together.")
        assert found["credentials"] == ("ok", "1 organization: acme.")
        assert found["callers"] == ("ok", "1 caller: billing.")
        assert found["audit"] == ("ok", "Goes to stdout, which can be written to.")
        assert "TLS" not in found
        assert "Kubernetes" not in found

    def test_a_broken_organization(self, environ: dict[str, str]) -> None:
        """Is named, as at the start; Redis and Canvas are tried all the same."""
        folder = Path(environ["BROKER_CREDENTIALS_DIR"]) / "bolt"
        folder.mkdir()
        found = findings(environ)
        word, told = found["credentials"]
        assert word == "fail"
        assert "bolt/consumer does not exist" in told
        assert found["Redis connection"][0] == "fail"
        assert found["callers"][0] == "ok"

    def test_many_organizations_are_counted(self, environ: dict[str, str]) -> None:
        """The first are named."""
        for number in range(20):
            write(Path(environ["BROKER_CREDENTIALS_DIR"]) / f"org{number}", keys("b"))
        told = findings(environ)["credentials"][1]
        assert told.startswith("21 organizations: acme, org0, ")
        assert told.endswith(" and 13 more.")

    def test_keys_from_the_environment(self, environ: dict[str, str]) -> None:
        """The organization default."""
        del environ["BROKER_CREDENTIALS_DIR"]
        environ["BROKER_CONSUMER"] = ACME.consumer.reveal()
        environ["BROKER_SECRET_KEY"] = ACME.secret_key.reveal()
        assert findings(environ)["credentials"] == ("ok", "1 organization: default.")

    def test_a_caller_of_nobodys_organization(self, environ: dict[str, str]) -> None:
        """It would get 403 for ever, which may be meant: a warning."""
        Path(environ["BROKER_CALLERS_FILE"]).write_text(
            f'[callers.app]\nkey_sha256 = "{key_digest("canary")}"\norganizations = ["acm"]\n'
        )
        word, told = findings(environ)["callers"]
        assert word == "warn"
        assert "Caller app may use organization acm, which has no credentials" in told

    def test_nobody_is_asked(self, environ: dict[str, str]) -> None:
        """For development: a warning."""
        del environ["BROKER_CALLERS_FILE"]
        environ["BROKER_CALLER_AUTH"] = "none"
        assert findings(environ)["callers"][0] == "warn"

    def test_tls(self, environ: dict[str, str], tmp_path: Path) -> None:
        """Whether the files can serve."""
        pair = Authority(tmp_path, "ours").server(x509.DNSName("broker.example"))
        environ["BROKER_TLS_CERT_FILE"] = str(pair.certificate)
        assert findings(environ)["TLS"][0] == "fail"
        environ["BROKER_TLS_KEY_FILE"] = str(pair.key)
        assert findings(environ)["TLS"] == ("ok", "Certificate and key can serve TLS.")

    def test_the_management_port(self, environ: dict[str, str]) -> None:
        """What is not for callers should not be where they are."""
        assert "management port" not in findings(environ)
        environ["BROKER_BIND"] = "0.0.0.0:8080"
        word, sentence = findings(environ)["management port"]
        assert word == "warn"
        assert "BROKER_MANAGEMENT_BIND is not set" in sentence
        environ["BROKER_MANAGEMENT_BIND"] = "10.0.0.7:8081"
        word, sentence = findings(environ)["management port"]
        assert word == "ok"
        for path in ("10.0.0.7:8081", "/health,", "/metrics", "/status", "/openapi.json"):
            assert path in sentence
        assert "/health/live" not in sentence
        environ["BROKER_MANAGEMENT_BIND"] = "10.0.0.7:8080"
        word, sentence = findings(environ)["management port"]
        assert word == "fail"
        assert "names an address of BROKER_BIND" in sentence

    def test_the_audit(self, environ: dict[str, str], tmp_path: Path) -> None:
        """A file that cannot be opened, one that can, and none."""
        environ["BROKER_AUDIT_LOG"] = str(tmp_path)
        assert findings(environ)["audit"] == (
            "fail",
            f"BROKER_AUDIT_LOG cannot be opened ({os.strerror(errno.EISDIR)}).",
        )
        environ["BROKER_AUDIT_LOG"] = str(tmp_path / "audit.jsonl")
        assert findings(environ)["audit"][0] == "ok"
        environ["BROKER_AUDIT_LOG"] = "none"
        assert "Switched off" in findings(environ)["audit"][1]

    def test_files_that_cannot_be_read_in_time(
        self, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A mounted folder may hang."""
        hung = threading.Event()
        monkeypatch.setattr(module, "examine", lambda _: hung.wait(10))
        monkeypatch.setattr(module, "LIMIT", 0.05)
        result = check(environ)
        hung.set()
        assert result.exit_code == 1
        assert "cannot be read within 0.05 s" in result.stdout


@pytest.mark.sockets
class TestKubernetes:
    @pytest.fixture
    def cluster(self, tmp_path: Path, environ: dict[str, str]) -> Iterator[Cluster]:
        """Start a cluster, and name it in the settings."""
        with Cluster(tmp_path) as cluster:
            environ |= {
                "BROKER_KUBERNETES_AUDIENCE": AUDIENCE,
                "BROKER_KUBERNETES_JWKS_URL": cluster.jwks_url,
                "BROKER_KUBERNETES_TOKEN_HOST": "127.0.0.1",
                "BROKER_KUBERNETES_TOKEN_FILE": str(cluster.own_token_file),
                "BROKER_KUBERNETES_CA_FILE": str(cluster.ca_file),
            }
            yield cluster

    def test_the_keys_can_be_fetched(self, cluster: Cluster, environ: dict[str, str]) -> None:
        """The issuer is told."""
        word, told = findings(environ)["Kubernetes"]
        assert (word, told) == (
            "ok",
            f"Tokens of {cluster.issuer} are taken; the cluster publishes 2 keys.",
        )

    def test_the_own_token_may_not_read_them(
        self, cluster: Cluster, environ: dict[str, str]
    ) -> None:
        """What is missing is a ClusterRole."""
        cluster.answer_with(status=403)
        word, told = findings(environ)["Kubernetes"]
        assert word == "fail"
        assert "system:service-account-issuer-discovery" in told

    @pytest.mark.parametrize(
        ("body", "said"), [(b"no", "is no JWKS"), (b'{"keys": []}', "holds no key")]
    )
    def test_what_comes_is_of_no_use(
        self, cluster: Cluster, environ: dict[str, str], body: bytes, said: str
    ) -> None:
        """Each is told apart."""
        cluster.answer_with(body)
        assert said in findings(environ)["Kubernetes"][1]

    def test_the_api_server_is_away(self, cluster: Cluster, environ: dict[str, str]) -> None:
        """No connection."""
        cluster.stop()
        assert "no connection" in findings(environ)["Kubernetes"][1]

    def test_the_issuer_cannot_be_told(self, cluster: Cluster, environ: dict[str, str]) -> None:
        """A matter of the settings, in its own step."""
        cluster.own_token_file.write_text("canary")
        found = findings(environ)
        assert found["Kubernetes"][0] == "fail"
        assert "BROKER_KUBERNETES_ISSUER is required" in found["Kubernetes"][1]
        assert found["settings"][0] == "ok"


@contextmanager
def secured(server: RedisServer, *rules: str) -> Iterator[str]:
    """Give the URL of a user with all rights but those taken away by ``rules``."""
    with server.client() as client:
        client.execute_command(
            "ACL",
            "SETUSER",
            "checker",
            "reset",
            "on",
            ">redis-password",
            "~*",
            "&*",
            "+@all",
            *rules,
        )
        try:
            yield server.url.replace("://", "://checker:redis-password@")
        finally:
            client.execute_command("ACL", "DELUSER", "checker")
            client.acl_log_reset()


@pytest.mark.sockets
class TestRedis:
    def test_all_is_well(self, environ: dict[str, str], valkey: RedisServer) -> None:
        """Each need has its line, and no key stays behind."""
        with secured(valkey) as url:
            found = findings({**environ, "BROKER_REDIS_URL": url, "BROKER_REDIS_PREFIX": "chk"})
        assert [found[name][0] for name in REDIS] == ["ok"] * 7
        assert found["Redis connection"][1].startswith(f"redis://127.0.0.1:{valkey.port} takes")
        assert "Valkey" in found["Redis server"][1]
        with valkey.client() as client:
            assert list(client.scan_iter("chk:*")) == []

    @pytest.mark.parametrize(
        ("rules", "expected"),
        [
            (("-hset", "-pttl"), ("Redis scripts", "fail", "hset, pttl. Add +hset +pttl")),
            (("-eval",), ("Redis scripts", "fail", "Add +eval to its ACL")),
            (("resetkeys", "~other:*"), ("Redis scripts", "fail", "Add ~canvas-token-broker:*")),
            (("resetchannels",), ("Redis feed", "warn", "Add &canvas-token-broker:* to its ACL")),
            (("-publish",), ("Redis feed", "warn", "Add +publish to its ACL")),
            (("-subscribe",), ("Redis feed", "warn", "Add +subscribe to its ACL")),
            (("-info",), ("Redis scripts", "warn", "Add +info")),
            (("-info",), ("Redis server", "warn", "not told")),
            ((">another", "<redis-password"), ("Redis login", "fail", "Correct BROKER_REDIS_URL")),
            (("off",), ("Redis login", "fail", "Correct BROKER_REDIS_URL")),
        ],
    )
    def test_what_the_user_lacks(
        self,
        environ: dict[str, str],
        valkey: RedisServer,
        rules: tuple[str, ...],
        expected: tuple[str, str, str],
    ) -> None:
        """Is named with what to add; what needs it is skipped."""
        step, word, said = expected
        with secured(valkey, *rules) as url:
            found = findings({**environ, "BROKER_REDIS_URL": url})
        assert found["Redis connection"][0] == "ok"
        assert found[step][0] == word
        assert said in found[step][1]
        if word == "fail":
            assert found["Redis clock"][0] == "skipped"

    def test_nobody_listens(self, environ: dict[str, str]) -> None:
        """The rest of Redis is skipped, Canvas is tried."""
        environ["BROKER_REDIS_URL"] = f"redis://:redis-password@127.0.0.1:{free_port()}"
        found = findings(environ)
        assert found["Redis connection"][0] == "fail"
        assert "Start Redis" in found["Redis connection"][1]
        assert [found[name][0] for name in REDIS[1:]] == ["skipped"] * 6
        assert found["Canvas name"][0] == "ok"

    def test_records_may_be_dropped(
        self, environ: dict[str, str], valkey_of_its_own: RedisServer
    ) -> None:
        """A warning, which leaves the exit code at 0."""
        with valkey_of_its_own.client() as client:
            client.config_set("maxmemory", "100mb")
            client.config_set("maxmemory-policy", "allkeys-lru")
        with ScriptedServer(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n") as canvas:
            environ |= {
                "BROKER_REDIS_URL": valkey_of_its_own.url,
                "BROKER_CANVAS_URL": canvas.url,
            }
            result = check(environ)
        assert result.exit_code == 0
        assert "Its maxmemory-policy is allkeys-lru" in result.stdout
        assert "warn     Redis server" in result.stdout

    def test_too_few_connections_are_allowed(
        self, environ: dict[str, str], valkey_of_its_own: RedisServer
    ) -> None:
        """Of one replica more than there are; that it fits is told as well."""
        environ |= {"BROKER_REDIS_URL": valkey_of_its_own.url, "BROKER_THREADS": "56"}
        with valkey_of_its_own.client() as client:
            client.config_set("maxclients", 400)
            enough = findings(environ)["Redis server"]
            client.config_set("maxclients", 399)
            few = findings(environ)["Redis server"]
        assert (enough[0], few[0]) == ("ok", "warn")
        assert enough[1].endswith("maxclients 400.")
        assert "Its maxclients is 399, and a replica opens up to 200 connections" in few[1]
        assert "(BROKER_WORKERS=2, 100 each)" in few[1]

    def test_a_clock_that_is_wrong(self, environ: dict[str, str], valkey: RedisServer) -> None:
        """A warning says by how much."""

        class Wrong(SystemClock):
            def wall(self) -> float:
                return super().wall() + 3600

        settings = settings_of({**environ, "BROKER_REDIS_URL": valkey.url})
        *_, clock = redis_steps(settings, Wrong())
        found = clock.work()
        assert found.word is Word.WARN
        assert "The clock of Redis is 3600 s behind this host's" in found.sentences[0]


def settings_of(environ: dict[str, str]) -> Settings:
    """Return the settings."""
    return load(environ)


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    """Play a Canvas that knows acme."""
    known = {ACME.consumer.reveal(): ACME.secret_key.reveal()}
    with EmulatorServer(Canvas(known)) as running:
        yield running


@pytest.mark.sockets
class TestCanvas:
    def test_no_keys_are_shown(self, environ: dict[str, str], emulator: EmulatorServer) -> None:
        """Unless that is asked for."""
        found = findings({**environ, "BROKER_CANVAS_URL": emulator.url})
        assert [found[name][0] for name in CANVAS] == ["ok"] * 4
        assert "keys of acme" not in found
        assert authenticated(emulator) == 0

    @pytest.mark.parametrize("options", [["--authenticate"], ["--authenticate", "acme"]])
    def test_keys_are_tried_where_asked(
        self, environ: dict[str, str], emulator: EmulatorServer, options: list[str]
    ) -> None:
        """Once, and no token is shown."""
        found = findings({**environ, "BROKER_CANVAS_URL": emulator.url}, *options)
        word, told = found["keys of acme"]
        assert word == "ok"
        assert "eyJ" not in told
        assert authenticated(emulator) == 1

    def test_keys_that_are_refused(self, environ: dict[str, str], emulator: EmulatorServer) -> None:
        """Are tried once only."""
        write(Path(environ["BROKER_CREDENTIALS_DIR"]) / "bolt", keys("b"))
        environ["BROKER_CANVAS_URL"] = emulator.url
        found = findings(environ, "--authenticate", "bolt", "--authenticate", "bolt")
        assert found["keys of bolt"][0] == "fail"
        assert "Canvas refused the keys" in found["keys of bolt"][1]
        assert "keys of acme" not in found
        assert authenticated(emulator) == 1

    def test_an_organization_that_is_not_there(
        self, environ: dict[str, str], emulator: EmulatorServer
    ) -> None:
        """Fails before anybody is asked."""
        environ["BROKER_CANVAS_URL"] = emulator.url
        found = findings(environ, "--authenticate", "nobody")
        assert found["keys of nobody"][1].startswith("There is no organization nobody")
        assert authenticated(emulator) == 0

    def test_nobody_listens(self, environ: dict[str, str]) -> None:
        """What needs the connection is skipped, the keys as well."""
        environ["BROKER_CANVAS_URL"] = f"http://127.0.0.1:{free_port()}/api"
        found = findings(environ, "--authenticate")
        assert found["Canvas connection"][0] == "fail"
        assert found["Canvas answer"][0] == found["keys of acme"][0] == "skipped"

    def test_a_name_that_nobody_knows(self, environ: dict[str, str]) -> None:
        """The first step fails."""
        environ["BROKER_CANVAS_URL"] = "https://canvas.invalid/api"
        found = findings(environ)
        assert found["Canvas name"][0] == "fail"
        assert found["Canvas connection"][0] == found["Canvas TLS"][0] == "skipped"

    @pytest.mark.parametrize(
        ("url", "said"), [("rightly", "OpenSSL says: "), ("plainly", "before any certificate")]
    )
    def test_tls_that_fails(
        self, environ: dict[str, str], tmp_path: Path, url: str, said: str
    ) -> None:
        """By a certificate of nobody, and by what speaks no TLS."""
        with tls_or_not(tmp_path, plain=url == "plainly") as server:
            environ["BROKER_CANVAS_URL"] = server.url.replace("http:", "https:")
            found = findings(environ)
        assert found["Canvas TLS"][0] == "fail"
        assert said in found["Canvas TLS"][1]
        assert found["Canvas answer"][0] == "skipped"

    @pytest.mark.parametrize(
        ("answer", "word", "said"),
        [
            (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "warn", "answers 503: it may be"),
            (b"HTTP/1.1 301 No\r\nContent-Length: 0\r\n\r\n", "ok", "answers 301."),
            (b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", "fail", "BROKER_CANVAS_PROXY"),
            (b"SSH-2.0-canary\r\n", "fail", "is not HTTP"),
        ],
    )
    def test_answers(self, environ: dict[str, str], answer: bytes, word: str, said: str) -> None:
        """Only what is certainly wrong fails."""
        with ScriptedServer(answer) as canvas:
            found = findings({**environ, "BROKER_CANVAS_URL": canvas.url})["Canvas answer"]
        assert found[0] == word
        assert said in found[1]

    def test_without_a_date_no_clock(self, environ: dict[str, str]) -> None:
        """A warning."""
        with ScriptedServer(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n") as canvas:
            found = findings({**environ, "BROKER_CANVAS_URL": canvas.url})
        assert found["Canvas clock"][0] == "warn"

    def test_a_proxy(self, environ: dict[str, str]) -> None:
        """Is told without its password; Canvas's name is its matter."""
        with ScriptedServer(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n") as proxy:
            environ["BROKER_CANVAS_URL"] = "http://canvas.invalid/api"
            environ["BROKER_CANVAS_ALLOW_HTTP"] = "true"
            environ["BROKER_CANVAS_PROXY"] = f"http://user:canary@127.0.0.1:{proxy.port}"
            found = findings(environ)
        assert found["Canvas name"] == (
            "ok",
            f"The proxy http://127.0.0.1:{proxy.port} has 1 address.",
        )
        assert found["Canvas answer"][0] == "ok"

    def test_a_proxy_that_cannot_be_used(self, environ: dict[str, str]) -> None:
        """The client speaks to none over TLS; the settings refuse it, and so does the step."""
        proxy = Secret("https://user:canary@127.0.0.1:1")
        settings = replace(settings_of(environ), canvas_proxy=proxy)
        steps = list(canvas_steps(settings, SystemClock()))
        assert [step.work().word for step in steps] == [Word.FAIL]


def authenticated(emulator: EmulatorServer) -> int:
    """Return how often Canvas was asked to authenticate somebody."""
    calls: Any = emulator.stats()["calls"]
    return int(calls["authenticate"])


def tls_or_not(tmp_path: Path, *, plain: bool) -> ScriptedServer:
    """Return a server with a certificate that nobody trusts, or one without TLS."""
    if plain:
        return ScriptedServer(b"HTTP/1.1 400 No\r\n\r\n", 0.1, first=True)
    pair = Authority(tmp_path, "nobody").server(LOOPBACK)
    ssl = importlib.import_module("ssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return ScriptedServer(tls=context)


class TestTheCommand:
    def test_lines_and_exit_code(self, environ: dict[str, str]) -> None:
        """A word, a name and a sentence each; 1 when something failed."""
        result = check(environ)
        lines = result.stdout.splitlines()
        assert lines[0] == "ok       settings           All settings can be used together."
        assert all(line.split()[0] in {"ok", "warn", "fail", "skipped"} for line in lines)
        assert result.exit_code == 1
        assert result.stderr == ""

    def test_json_is_one_document(self, environ: dict[str, str]) -> None:
        """With the overall word."""
        result = check(environ, "--json")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["status"] == "fail"

    @pytest.mark.parametrize(
        ("words", "overall"),
        [
            ([Word.OK, Word.SKIPPED], Word.OK),
            ([Word.OK, Word.WARN], Word.WARN),
            ([Word.WARN, Word.FAIL, Word.OK], Word.FAIL),
        ],
    )
    def test_the_worst_word_counts(self, words: list[Word], overall: Word) -> None:
        """Of all steps."""
        assert module.overall([Finding(word, ()) for word in words]) is overall

    def test_a_wrong_command_line(self) -> None:
        """Ends with 2."""
        assert CliRunner().invoke(main, ["check", "--nonsense"]).exit_code == 2
        assert CliRunner().invoke(main, ["check", "extra"]).exit_code == 2

    def test_help_warns_of_what_keys_may_do(self) -> None:
        """And documents the exit codes."""
        text = " ".join(CliRunner().invoke(main, ["check", "--help"]).output.split())
        assert "WARNING" in text
        assert "Exit codes: 0 " in text
        assert "-lock" not in text

    def test_colours_only_where_they_are_shown(
        self, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A pipe gets none."""
        assert "\x1b" not in check(environ).output
        monkeypatch.setattr(module, "colours_for", lambda _: True)
        assert "\x1b[32mok" in check(environ).output


def test_every_likely_failure_has_its_sentence() -> None:
    """Not one of them is left to Canvas's vendor."""
    steps = importlib.import_module("broker.cli.canvas_steps")
    likely = {
        *(FailureKind.DNS, FailureKind.CONNECT, FailureKind.CONNECT_TIMEOUT, FailureKind.TLS),
        *(FailureKind.PROXY, FailureKind.TIMEOUT, FailureKind.KEYS_REJECTED),
    }
    sentence: Callable[[str], str] = steps._sentence
    assert not [kind for kind in likely if "vendor" in sentence(kind)]
    assert "(status_5xx)" in sentence("status_5xx")
