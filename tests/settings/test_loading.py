"""Settings as a whole: defaults, every problem in one message, and the files behind them."""

import dataclasses
from pathlib import Path

import pytest

from broker.callers import key_digest
from broker.errors import SettingsError
from broker.limits import Limits
from broker.secret import Secret
from broker.settings import (
    CallerAuth,
    ClientCerts,
    LogFormat,
    LogLevel,
    ManagementTls,
    Settings,
    Tracing,
    load,
    load_inputs,
)
from tests.files.folders import keys, write
from tests.settings.conftest import CALLER_KEY

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    """Return what is wrong with an environment."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return caught.value.problems


def test_the_least_environment_gives_the_defaults(environ: dict[str, str]) -> None:
    """Three variables are enough."""
    assert load(environ) == Settings(
        canvas_url="https://canvas.connectmyapps.com/api",
        canvas_allow_http=False,
        canvas_proxy=None,
        canvas_ca_file=None,
        canvas_calls_in_flight=100,
        canvas_calls_per_second=500,
        credentials_dir=Path(environ["BROKER_CREDENTIALS_DIR"]),
        consumer=None,
        secret_key=None,
        redis_url=Secret("redis://redis:6379/0"),
        redis_username=None,
        redis_password=None,
        redis_sentinel_username=None,
        redis_sentinel_password=None,
        redis_prefix="canvas-token-broker",
        callers_file=Path(environ["BROKER_CALLERS_FILE"]),
        caller_auth=CallerAuth.KEYS,
        kubernetes_audience=None,
        kubernetes_issuer=None,
        kubernetes_jwks_url="https://kubernetes.default.svc/openid/v1/jwks",
        kubernetes_token_file=SERVICE_ACCOUNT / "token",
        kubernetes_token_host="kubernetes.default.svc",
        kubernetes_lifetime_max=86400.0,
        kubernetes_ca_file=SERVICE_ACCOUNT / "ca.crt",
        audit_log="stdout",
        public_url=None,
        tls_cert_file=None,
        tls_key_file=None,
        tls_client_ca_file=None,
        tls_client_certs=ClientCerts.REQUIRED,
        hsts_max_age=0,
        bind=("127.0.0.1:8080",),
        management_bind=None,
        management_tls=ManagementTls.SAME,
        listener=None,
        trusted_proxies=None,
        socket_mode=0o660,
        workers=2,
        threads=256,
        reload_interval=2.0,
        keep_warm=3600.0,
        log_level=LogLevel.INFO,
        log_format=LogFormat.AUTO,
        request_log=0.01,
        metrics_organizations=True,
        allow_debugging=False,
        tracing=Tracing.NONE,
        runtime_dir=None,
        drain_time=0,
        graceful_timeout=25.0,
        limits=Limits(),
    )


def test_settings_do_not_change_once_they_are_loaded(environ: dict[str, str]) -> None:
    """They are handed to threads and compared in logs."""
    settings = load(environ)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.workers = 3  # type: ignore[misc] # the assignment that must fail


def test_every_limit_has_a_setting(environ: dict[str, str]) -> None:
    """Whole numbers stay whole, durations may have a fraction."""
    settings = load(
        environ
        | {
            "BROKER_UPSTREAM_ATTEMPTS": "1",
            "BROKER_UPSTREAM_BODY_LIMIT": "1024",
            "BROKER_REVALIDATE": "0.5",
        }
    )
    expected = Limits(upstream_attempts=1, upstream_body_limit=1024, revalidate=0.5)
    assert settings.limits == expected
    assert isinstance(settings.limits.upstream_attempts, int)


@pytest.mark.parametrize("name", ["BROKER_DEAD", "BROKER_REQUEST", "BROKER_SHORT_LIFE"])
def test_a_limit_that_is_part_of_the_contract_cannot_be_set(
    environ: dict[str, str], name: str
) -> None:
    """Callers rely on it."""
    assert problems(environ | {name: "5"})[0].startswith(f"{name} is not a setting")


def test_an_empty_variable_counts_as_not_set(environ: dict[str, str]) -> None:
    """Templates write such lines for what they leave out."""
    empty = {"BROKER_WORKERS": "", "BROKER_CONSUMER": "", "BROKER_SECRET_KEY_FILE": ""}
    assert load(environ | empty) == load(environ)
    assert problems(environ | {"BROKER_REDIS_URL": ""}) == ("BROKER_REDIS_URL is required",)


def test_a_relative_path_is_taken_from_where_the_process_starts(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that changes its folder later still finds the file."""
    folder = Path(environ["BROKER_CREDENTIALS_DIR"])
    monkeypatch.chdir(folder.parent)
    assert load(environ | {"BROKER_CREDENTIALS_DIR": folder.name}).credentials_dir == folder


def test_all_problems_come_in_one_message(environ: dict[str, str], tmp_path: Path) -> None:
    """Of names, of secret files, of values, of the files named and of what contradicts."""
    (tmp_path / "credentials" / "acme" / "consumer").unlink()
    (tmp_path / "callers.toml").write_text("[callers.billing]\n")
    bad = {
        "BROKER_LEESE": "30",
        "BROKER_CANVAS_PROXY_FILE": str(tmp_path / "nothing"),
        "BROKER_WORKERS": "none",
        "BROKER_THREADS": "1",
        "BROKER_LEASE": "20",
        "BROKER_CANVAS_URL": "http://canvas.example",
    }
    with pytest.raises(SettingsError) as caught:
        load(environ | bad)
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "BROKER_LEESE",
        "BROKER_CANVAS_PROXY_FILE",
        "BROKER_THREADS",
        "BROKER_WORKERS",
        "BROKER_CANVAS_URL",
        "BROKER_LEASE",
        "BROKER_CREDENTIALS_DIR:",
        "BROKER_CALLERS_FILE:",
        "BROKER_CALLERS_FILE:",
    ]
    assert str(caught.value).count("\n- ") == 8


def test_one_mistake_is_told_once(environ: dict[str, str]) -> None:
    """A setting that is bad alone is compared with no other."""
    for name in ("BROKER_LEASE", "BROKER_UPSTREAM_TIMEOUT", "BROKER_GRACEFUL_TIMEOUT"):
        assert len(problems(environ | {name: "soon"})) == 1
    assert len(problems(environ | {"BROKER_LEASE": "soon", "BROKER_UPSTREAM_TIMEOUT": "6"})) == 1
    for name in ("BROKER_BIND", "BROKER_CALLER_AUTH", "BROKER_CONSUMER"):
        alone = environ | {"BROKER_SECRET_KEY": keys("a").secret_key.reveal()}
        alone.pop("BROKER_CREDENTIALS_DIR")
        alone["BROKER_CONSUMER"] = keys("a").consumer.reveal()
        assert len(problems(alone | {name: "?"})) == 1


def test_the_error_drags_no_other_behind_it(environ: dict[str, str]) -> None:
    """The schema's own error holds the raw values."""
    with pytest.raises(SettingsError) as caught:
        load(environ | {"BROKER_WORKERS": "canary"})
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_the_folder_is_read_for_keeps(environ: dict[str, str], tmp_path: Path) -> None:
    """Later versions come into force by polling."""
    inputs = load_inputs(load(environ))
    assert inputs.credentials.current == {"acme": keys("a")}
    assert inputs.callers
    assert inputs.callers.current.find(CALLER_KEY)
    write(tmp_path / "credentials" / "globex", keys("b"))
    assert inputs.credentials.poll().reloaded
    assert set(inputs.credentials.current) == {"acme", "globex"}


def test_two_keys_make_one_organization_called_default(environ: dict[str, str]) -> None:
    """In place of the folder."""
    environ.pop("BROKER_CREDENTIALS_DIR")
    environ["BROKER_CONSUMER"] = keys("a").consumer.reveal()
    environ["BROKER_SECRET_KEY"] = keys("a").secret_key.reveal()
    first, second = (load_inputs(load(environ)).credentials.current for _ in range(2))
    assert first == second == {"default": keys("a")}
    assert first["default"].writing != second["default"].writing  # a start is the operator's word


def test_without_caller_authentication_there_are_no_callers(environ: dict[str, str]) -> None:
    """For development, on loopback."""
    environ.pop("BROKER_CALLERS_FILE")
    assert load_inputs(load(environ | {"BROKER_CALLER_AUTH": "none"})).callers is None


def test_files_that_broke_since_the_settings_were_loaded_are_all_told(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Nothing starts on half of its inputs."""
    settings = load(environ)
    (tmp_path / "credentials" / "acme" / "consumer").unlink()
    (tmp_path / "callers.toml").unlink()
    with pytest.raises(SettingsError) as caught:
        load_inputs(settings)
    assert len(caught.value.problems) == 2


def test_a_caller_of_an_organization_that_is_not_configured_is_no_problem(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """The two files change at different times."""
    (tmp_path / "callers.toml").write_text(
        f'[callers.a]\nkey_sha256 = "{key_digest("a")}"\norganizations = ["initech"]\n'
    )
    assert load(environ).callers_file
