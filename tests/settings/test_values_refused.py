"""Every bad value, name and contradiction has a sentence that says what is allowed."""

from pathlib import Path

import pytest

from broker.errors import SettingsError
from broker.settings import load
from tests.files.folders import keys

URL_RULE = "must be a URL scheme://host:port/path"
SECONDS = "must be a number of seconds above 0"
CONSUMER, SECRET_KEY = keys("a").consumer.reveal(), keys("a").secret_key.reveal()


def only_problem(environ: dict[str, str]) -> str:
    """Return the one thing that is wrong with an environment."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("BROKER_CANVAS_URL", "canvas", URL_RULE),
        ("BROKER_CANVAS_URL", "ftp://canvas.example", "must begin with https://"),
        ("BROKER_CANVAS_URL", "https://", "must name each host"),
        ("BROKER_CANVAS_URL", "https://a b", URL_RULE),
        ("BROKER_CANVAS_URL", "https://canvas.example\n", URL_RULE),
        ("BROKER_CANVAS_URL", "https://canvas.example#top", URL_RULE),
        ("BROKER_CANVAS_URL", "https://canvas.example?", "must have no user name, password or"),
        ("BROKER_CANVAS_URL", "https://canvas.example?a=b", "must have no user name, password or"),
        ("BROKER_CANVAS_URL", "https://me@canvas.example", "must have no user name, password or"),
        ("BROKER_CANVAS_URL", "https://canvas.example:port", "must name each host"),
        ("BROKER_CANVAS_URL", "https://canvas.example:65536", "must name each host"),
        ("BROKER_CANVAS_URL", "https://[::g]", "must name each host"),
        ("BROKER_CANVAS_URL", "https://[1.2.3]", "holds brackets around what is no IPv6"),
        ("BROKER_CANVAS_URL", "https://a,b", "must name one host"),
        ("BROKER_CANVAS_URL", "http://canvas.example", "is plain http to another machine"),
        ("BROKER_CANVAS_URL", "http://127.0.0.1.example", "is plain http to another machine"),
        ("BROKER_CANVAS_ALLOW_HTTP", "yes", "must be true or false"),
        ("BROKER_CANVAS_PROXY", "proxy:3128", URL_RULE),
        ("BROKER_CANVAS_PROXY", "socks5://proxy:1080", URL_RULE),
        ("BROKER_CANVAS_PROXY", "ftp://proxy:21", "must begin with http://"),
        ("BROKER_CANVAS_PROXY", "https://proxy:3128", "must begin with http://"),
        ("BROKER_CANVAS_PROXY", "http://proxy:3128/path", "must end after host and port"),
        ("BROKER_CANVAS_PROXY", "http://proxy:3128?a=b", "must end after host and port"),
        ("BROKER_REDIS_URL", "redis", URL_RULE),
        ("BROKER_REDIS_URL", "http://redis:6379", "must begin with one of redis://, rediss://, "),
        ("BROKER_REDIS_URL", "redis://", "must name each host"),
        ("BROKER_REDIS_URL", "redis://:6379", "must name each host"),
        ("BROKER_REDIS_URL", "redis://a,b", "must have the form redis://host:port/database"),
        ("BROKER_REDIS_URL", "redis://a/first", "must have the form redis://host:port/database"),
        ("BROKER_REDIS_URL", "redis://a?db", "must have the form redis://host:port/database, then"),
        ("BROKER_REDIS_URL", "redis://a:1/0#0", URL_RULE),
        ("BROKER_REDIS_URL", "redis://me:12/34@redis", URL_RULE),
        ("BROKER_REDIS_URL", "redis://me:12?34=@redis", URL_RULE),
        ("BROKER_REDIS_URL", "redis://me:[x]@redis", URL_RULE),
        ("BROKER_REDIS_URL", "unix://run/redis.sock", "must have the form unix:///path"),
        ("BROKER_REDIS_URL", "unix://", "must have the form unix:///path"),
        ("BROKER_REDIS_URL", "redis+sentinel://a:1,b:2", "must have the form redis+sentinel://"),
        ("BROKER_REDIS_URL", "redis+sentinel://a:1/", "must have the form redis+sentinel://"),
        ("BROKER_REDIS_URL", "redis+sentinel://a,b:2/s", "must have the form redis+sentinel://"),
        ("BROKER_REDIS_URL", "redis+sentinel://a:1/s?a=b", "may have after the ? each once: p"),
        ("BROKER_REDIS_URL", "redis+sentinel://a:1/s?ssl_ca_certs=/ca", "may have after the ?"),
        ("BROKER_REDIS_URL", "rediss://a?ssl_ca_cert=/ca", "may have after the ? each once: db,"),
        ("BROKER_REDIS_URL", "redis://a?socket_timeout=60", "may have after the ? each once: db"),
        ("BROKER_REDIS_URL", "redis://a?db=1&db=2", "may have after the ? each once: db"),
        ("BROKER_REDIS_URL", "redis://a?db=first", "must have a number of 1 to 5 digits after db="),
        ("BROKER_REDIS_URL", "redis+cluster://a:1/1", "must have the form redis+cluster://"),
        ("BROKER_REDIS_PREFIX", "{tag}", "must be 1 to 64 letters, digits, "),
        ("BROKER_REDIS_PREFIX", "a" * 65, "must be 1 to 64 letters, digits, "),
        ("BROKER_CALLER_AUTH", "oidc", "must be one of keys, none"),
        ("BROKER_LOG_LEVEL", "loud", "must be one of debug, info, warning, error"),
        ("BROKER_SOCKET_MODE", "rw", "must be a mode in octal digits, such as 0660"),
        ("BROKER_SOCKET_MODE", "0668", "must be a mode in octal digits"),
        ("BROKER_SOCKET_MODE", "0o660", "must be a mode in octal digits"),
        ("BROKER_SOCKET_MODE", "1660", "must be a mode in octal digits"),
        ("BROKER_ALLOW_DEBUGGING", "1", "must be true or false"),
        ("BROKER_BIND", "8080", "must be a comma-separated list of host:port or unix:/path"),
        ("BROKER_BIND", ":8080", "must be a comma-separated list"),
        ("BROKER_BIND", "::1:8080", "must be a comma-separated list"),
        ("BROKER_BIND", "127.0.0.1:8080,", "must be a comma-separated list"),
        ("BROKER_BIND", "127.0.0.1:99999", "must be a comma-separated list"),
        ("BROKER_BIND", "unix:run/broker.sock", "must be a comma-separated list"),
        ("BROKER_BIND", "unix:/", "must name a socket after unix:/"),
        ("BROKER_WORKERS", "0", "must be a whole number from 1 up"),
        ("BROKER_WORKERS", "1.5", "must be a whole number from 1 up"),
        ("BROKER_WORKERS", "٣", "must be a whole number from 1 up"),
        ("BROKER_THREADS", "1", "must be a whole number from 2 up"),
        ("BROKER_UPSTREAM_ATTEMPTS", "0", "must be a whole number from 1 up"),
        ("BROKER_UPSTREAM_ATTEMPTS", "2.0", "must be a whole number from 1 up"),
        ("BROKER_RELOAD_INTERVAL", "0", SECONDS),
        ("BROKER_RELOAD_INTERVAL", "0.0", SECONDS),
        ("BROKER_RELOAD_INTERVAL", "-1", SECONDS),
        ("BROKER_RELOAD_INTERVAL", "nan", SECONDS),
        ("BROKER_RELOAD_INTERVAL", "inf", SECONDS),
        ("BROKER_RELOAD_INTERVAL", "9" * 400, SECONDS),
        ("BROKER_KEEP_WARM", "1h", SECONDS),
        ("BROKER_LATCH", "1e3", SECONDS),
        ("BROKER_GRACEFUL_TIMEOUT", "19", "is 19 and must be at least 19.5: the upstream deadline"),
        ("BROKER_WAIT", "4", "is 4 and must be at most 3: a request ends within 4.5 s"),
        ("BROKER_CANVAS_CA_FILE", "/nonexistent", "does not exist"),
        ("BROKER_CREDENTIALS_DIR", "/nonexistent", "cannot be read (No such file or directory)"),
        ("BROKER_CREDENTIALS_DIR", "a\0b", "must be a path"),
        ("BROKER_CALLERS_FILE", "/nonexistent", "does not exist"),
    ],
)
def test_a_bad_value_is_refused(
    environ: dict[str, str], name: str, text: str, problem: str
) -> None:
    """The sentence begins with the setting; it is the only one."""
    assert only_problem(environ | {name: text}).startswith(f"{name} {problem}")


@pytest.mark.parametrize("name", ["BROKER_CONSUMER", "BROKER_SECRET_KEY"])
def test_a_malformed_key_is_refused(environ: dict[str, str], name: str) -> None:
    """A key with a newline in it would end up in a header."""
    environ.pop("BROKER_CREDENTIALS_DIR")
    environ |= {"BROKER_CONSUMER": CONSUMER, "BROKER_SECRET_KEY": SECRET_KEY}
    environ[name] += "\n"
    assert only_problem(environ).startswith(f"{name} must be ")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("BROKER_REDIS_URI", "is not a setting; did you mean BROKER_REDIS_URL?"),
        ("BROKER_REDIS_URL_FIEL", "is not a setting; did you mean BROKER_REDIS_URL_FILE?"),
        ("BROKER_WORKERS_FILE", "is not a setting; did you mean BROKER_WORKERS?"),
        ("BROKER_ZZZ", "is not a setting"),
        ("BROKER_SERVICE_HOST", "is not a setting; Kubernetes sets such names for a Service"),
        ("BROKER_PORT_8080_TCP_ADDR", "is not a setting; Kubernetes sets such names for"),
        ("BROKER_REDIS_SERVICE_PORT_HTTP", "is not a setting; Kubernetes sets such names"),
    ],
)
def test_an_unknown_name_is_refused_with_a_guess(
    environ: dict[str, str], name: str, problem: str
) -> None:
    """Its value is not repeated."""
    told = only_problem(environ | {name: "canary"})
    assert told.startswith(f"{name} {problem}")
    assert "canary" not in told


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"BROKER_CREDENTIALS_DIR": ""},
            "BROKER_CREDENTIALS_DIR, or BROKER_CONSUMER and BROKER_SECRET_KEY, is required",
        ),
        ({"BROKER_CONSUMER": CONSUMER}, "BROKER_CREDENTIALS_DIR and BROKER_CONSUMER or"),
        (
            {"BROKER_CONSUMER": CONSUMER, "BROKER_SECRET_KEY": SECRET_KEY},
            "BROKER_CREDENTIALS_DIR and BROKER_CONSUMER or BROKER_SECRET_KEY are both set",
        ),
        (
            {"BROKER_CREDENTIALS_DIR": "", "BROKER_CONSUMER": CONSUMER},
            "BROKER_SECRET_KEY is required beside the other key",
        ),
        (
            {"BROKER_CREDENTIALS_DIR": "", "BROKER_SECRET_KEY": SECRET_KEY},
            "BROKER_CONSUMER is required beside the other key",
        ),
        ({"BROKER_CALLERS_FILE": ""}, "BROKER_CALLERS_FILE is required unless"),
        ({"BROKER_CALLER_AUTH": "none"}, "BROKER_CALLERS_FILE is set and BROKER_CALLER_AUTH=none"),
        *(
            (
                {"BROKER_CALLERS_FILE": "", "BROKER_CALLER_AUTH": "none", "BROKER_BIND": bind},
                "BROKER_CALLER_AUTH is none and must be keys unless every address",
            )
            for bind in ("0.0.0.0:80", "[::]:80", "127.0.0.1:80,10.0.0.1:80", "broker:80")
        ),
    ],
)
def test_settings_that_contradict_are_refused(
    environ: dict[str, str], changes: dict[str, str], problem: str
) -> None:
    """Each contradiction has one sentence that names all who take part."""
    assert only_problem(environ | changes).startswith(problem)


def test_a_file_without_a_certificate_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    """At start, not at the first call to Canvas."""
    (tmp_path / "ca.pem").write_text("none")
    problem = only_problem(environ | {"BROKER_CANVAS_CA_FILE": str(tmp_path / "ca.pem")})
    assert problem == "BROKER_CANVAS_CA_FILE must hold certificates in PEM"
