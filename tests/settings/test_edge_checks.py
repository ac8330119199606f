"""Settings of the edge that do not go together: TLS, Kubernetes callers, the audit."""

import base64
import json
import os
from pathlib import Path

import pytest

from broker.errors import SettingsError
from broker.settings import checks, load, load_inputs

ISSUER = "https://cluster.example"


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    """Return what is wrong with an environment; nothing if it loads."""
    try:
        load_inputs(load(environ))
    except SettingsError as error:
        return error.problems
    return ()


def own_token(path: Path, claims: object) -> str:
    """Write a token with these claims, as the kubelet would, but for the signature."""
    parts = [{"alg": "RS256", "kid": "k"}, claims, "signature"]
    encoded = (base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts)
    path.write_bytes(b".".join(encoded))
    return str(path)


@pytest.fixture
def cluster(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Return settings for Kubernetes callers that load."""
    token = own_token(tmp_path / "token", {"iss": ISSUER})
    return environ | {
        "BROKER_KUBERNETES_AUDIENCE": "canvas-token-broker",
        "BROKER_KUBERNETES_JWKS_URL": "http://127.0.0.1:1/jwks",
        "BROKER_KUBERNETES_TOKEN_FILE": token,
    }


class TestManagement:
    @pytest.mark.parametrize(
        ("bind", "management"),
        [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("10.0.0.7:80,127.0.0.1:8080", "10.0.0.7:81,10.0.0.7:80"),
            ("0.0.0.0:8080", "10.0.0.7:8080"),
            ("10.0.0.7:8080", "0.0.0.0:8080"),
            ("[::]:8080", "0.0.0.0:8080"),
            ("10.0.0.7:8080", "[::]:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("0.0.0.0:8080", "broker.example:8080"),
            ("unix:/run/broker", "unix:/run/broker"),
        ],
    )
    def test_an_address_of_the_callers(
        self, environ: dict[str, str], bind: str, management: str
    ) -> None:
        """Nobody could say whose a request is."""
        own = {"BROKER_BIND": bind, "BROKER_MANAGEMENT_BIND": management}
        assert problems(environ | own) == (
            "BROKER_MANAGEMENT_BIND names an address of BROKER_BIND; give each a port of its own",
        )

    @pytest.mark.parametrize(
        ("bind", "management"),
        [
            ("127.0.0.1:8080", "127.0.0.1:8081"),
            ("127.0.0.1:8080", "10.0.0.7:8080"),
            ("[::1]:8080", "0.0.0.0:8080"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("unix:/run/broker", "unix:/run/operators"),
            ("127.0.0.1:8080", "unix:/run/operators"),
        ],
    )
    def test_addresses_that_differ(
        self, environ: dict[str, str], bind: str, management: str
    ) -> None:
        """Each port has its own."""
        own = {"BROKER_BIND": bind, "BROKER_MANAGEMENT_BIND": management}
        assert problems(environ | own) == ()
        assert load(environ | own).management_bind == (management,)

    def test_an_address_that_is_none(self, environ: dict[str, str]) -> None:
        """Only that is told."""
        (told,) = problems(environ | {"BROKER_MANAGEMENT_BIND": "8081"})
        assert told.startswith("BROKER_MANAGEMENT_BIND must be a comma-separated list of ")

    @pytest.mark.parametrize("name", ["BROKER_BIND", "BROKER_MANAGEMENT_BIND"])
    def test_a_listener_holds_no_unix_sockets(self, environ: dict[str, str], name: str) -> None:
        """Their paths would not be there any more."""
        own = {"BROKER_BIND": "127.0.0.1:8080", "BROKER_LISTENER": "/run/listener"}
        assert problems(environ | own) == ()
        (problem,) = problems(environ | own | {name: "127.0.0.1:8090,unix:/run/broker"})
        assert problem.startswith("BROKER_LISTENER holds no Unix sockets")

    def test_without_it_there_is_no_such_port(self, environ: dict[str, str]) -> None:
        """An empty variable counts as not set."""
        assert load(environ | {"BROKER_MANAGEMENT_BIND": ""}).management_bind is None

    def test_callers_who_are_not_asked_are_not_there(self, environ: dict[str, str]) -> None:
        """A port without tokens may be anywhere."""
        del environ["BROKER_CALLERS_FILE"]
        own = {"BROKER_CALLER_AUTH": "none", "BROKER_MANAGEMENT_BIND": "0.0.0.0:8081"}
        assert problems(environ | own) == ()


class TestKubernetes:
    def test_the_issuer_is_that_of_the_own_token(self, cluster: dict[str, str]) -> None:
        """Unless it is set."""
        assert load_inputs(load(cluster)).issuer == ISSUER
        cluster["BROKER_KUBERNETES_ISSUER"] = "other"
        assert load_inputs(load(cluster)).issuer == "other"

    def test_without_an_audience_no_token_is_taken(self, environ: dict[str, str]) -> None:
        """And no file is looked at."""
        assert load_inputs(load(environ)).issuer is None

    @pytest.mark.parametrize("claims", [{}, {"iss": ""}, {"iss": 1}, []])
    def test_an_own_token_that_tells_no_issuer(
        self, cluster: dict[str, str], tmp_path: Path, claims: object
    ) -> None:
        """Then it must be set."""
        own_token(tmp_path / "token", claims)
        (told,) = problems(cluster)
        assert told.startswith("BROKER_KUBERNETES_ISSUER is required: ")
        assert problems({**cluster, "BROKER_KUBERNETES_ISSUER": ISSUER}) == ()

    def test_no_own_token(self, cluster: dict[str, str], tmp_path: Path) -> None:
        """Nothing could be shown to the API server, whether the issuer is set or not."""
        (tmp_path / "token").unlink()
        expected = "BROKER_KUBERNETES_TOKEN_FILE cannot be used: the token file does not exist"
        for issuer in ("", ISSUER):
            assert problems(cluster | {"BROKER_KUBERNETES_ISSUER": issuer}) == (expected,)

    def test_an_issuer_alone(self, environ: dict[str, str]) -> None:
        """Nobody would heed it."""
        environ["BROKER_KUBERNETES_ISSUER"] = ISSUER
        assert problems(environ) == ("BROKER_KUBERNETES_ISSUER needs BROKER_KUBERNETES_AUDIENCE",)

    def test_nobody_is_asked(self, cluster: dict[str, str]) -> None:
        """So no audience counts."""
        cluster["BROKER_CALLER_AUTH"] = "none"
        cluster.pop("BROKER_CALLERS_FILE")
        (told,) = problems(cluster)
        assert told.startswith("BROKER_KUBERNETES_AUDIENCE is set and BROKER_CALLER_AUTH=none")

    @pytest.mark.parametrize("aud", ["canvas-token-broker", [ISSUER, "canvas-token-broker"]])
    @pytest.mark.parametrize("issuer", ["", ISSUER])
    def test_the_audience_of_the_api_server(
        self, cluster: dict[str, str], tmp_path: Path, aud: object, issuer: str
    ) -> None:
        """What callers send for it would open the cluster, too."""
        cluster["BROKER_KUBERNETES_ISSUER"] = issuer
        own_token(tmp_path / "token", {"iss": ISSUER, "aud": aud})
        (told,) = problems(cluster)
        assert told.startswith("BROKER_KUBERNETES_AUDIENCE is an audience of the API server")
        own_token(tmp_path / "token", {"iss": ISSUER, "aud": [ISSUER, "canvas"]})
        assert problems(cluster) == ()

    @pytest.mark.parametrize("host", ["a b", "https://host", "host:443", "host/jwks"])
    def test_where_the_own_token_may_go(self, cluster: dict[str, str], host: str) -> None:
        """One host, whatever its port; an IPv6 address in brackets or not is the same."""
        cluster["BROKER_KUBERNETES_TOKEN_HOST"] = host
        (told,) = problems(cluster)
        assert told.startswith("BROKER_KUBERNETES_TOKEN_HOST must ")
        cluster["BROKER_KUBERNETES_TOKEN_HOST"] = "[::1]"
        assert load(cluster).kubernetes_token_host == "::1"

    def test_authorities_of_the_cluster(self, cluster: dict[str, str], tmp_path: Path) -> None:
        """Must be there for https."""
        cluster["BROKER_KUBERNETES_JWKS_URL"] = "https://kubernetes.default.svc/openid/v1/jwks"
        cluster["BROKER_KUBERNETES_CA_FILE"] = str(tmp_path / "ca.crt")
        assert problems(cluster) == ("BROKER_KUBERNETES_CA_FILE does not exist",)
        (tmp_path / "ca.crt").write_text("no certificate")
        assert problems(cluster) == ("BROKER_KUBERNETES_CA_FILE must hold certificates in PEM",)

    @pytest.mark.parametrize(
        "url", ["http://cluster.example/jwks", "ftp://x", "https://a:b@cluster.example/"]
    )
    def test_where_the_keys_come_from(self, cluster: dict[str, str], url: str) -> None:
        """Plain http would let anybody in between choose them."""
        (told,) = problems({**cluster, "BROKER_KUBERNETES_JWKS_URL": url})
        assert told.startswith("BROKER_KUBERNETES_JWKS_URL must ")

    def test_a_caller_by_service_account_needs_an_audience(
        self, environ: dict[str, str], cluster: dict[str, str]
    ) -> None:
        """It could never prove who it is."""
        table = '[callers.pod]\nservice_account = "shop:pod"\norganizations = ["*"]\n'
        Path(environ["BROKER_CALLERS_FILE"]).write_text(table)
        for name in [name for name in environ if "KUBERNETES" in name]:
            environ.pop(name)
        (told,) = problems(environ)
        assert told == (
            "BROKER_CALLERS_FILE: callers.pod.service_account needs BROKER_KUBERNETES_AUDIENCE"
        )
        assert problems(cluster) == ()


class TestTls:
    @pytest.mark.parametrize(
        ("given", "missing"), [("CERT", "BROKER_TLS_KEY_FILE"), ("KEY", "BROKER_TLS_CERT_FILE")]
    )
    def test_certificate_and_key_belong_together(
        self, environ: dict[str, str], given: str, missing: str
    ) -> None:
        """One alone serves nothing."""
        environ[f"BROKER_TLS_{given}_FILE"] = "/somewhere"
        assert problems(environ) == (f"{missing} is required beside the other",)

    def test_client_authorities_need_tls(self, environ: dict[str, str]) -> None:
        """There is no client certificate without it."""
        environ["BROKER_TLS_CLIENT_CA_FILE"] = "/somewhere"
        assert problems(environ) == (
            "BROKER_TLS_CLIENT_CA_FILE needs BROKER_TLS_CERT_FILE and BROKER_TLS_KEY_FILE",
        )

    def test_hsts_needs_tls(self, environ: dict[str, str]) -> None:
        """RFC 6797 section 7.2; who wants none may say so."""
        environ["BROKER_HSTS_MAX_AGE"] = "0"
        assert problems(environ) == ()
        environ["BROKER_HSTS_MAX_AGE"] = "31536000"
        (told,) = problems(environ)
        assert told.startswith(
            "BROKER_HSTS_MAX_AGE needs BROKER_TLS_CERT_FILE and BROKER_TLS_KEY_FILE: browsers "
        )

    def test_files_that_cannot_be_used(self, environ: dict[str, str], tmp_path: Path) -> None:
        """Are told at the start."""
        environ["BROKER_TLS_CERT_FILE"] = environ["BROKER_TLS_KEY_FILE"] = str(tmp_path / "x")
        assert problems(environ) == ("BROKER_TLS_CERT_FILE does not exist",)


class TestAudit:
    @pytest.mark.parametrize("where", ["stdout", "stderr", "none"])
    def test_words(self, environ: dict[str, str], where: str) -> None:
        """Streams, and none."""
        assert load({**environ, "BROKER_AUDIT_LOG": where}).audit_log == where

    @pytest.mark.parametrize("where", ["audit.log", "stdin", "./x", "STDOUT"])
    def test_anything_else_is_an_absolute_path(self, environ: dict[str, str], where: str) -> None:
        """A worker may run elsewhere."""
        assert problems({**environ, "BROKER_AUDIT_LOG": where}) == (
            "BROKER_AUDIT_LOG must be stdout, stderr, none or an absolute path",
        )

    def test_a_file_that_cannot_be_opened(self, environ: dict[str, str], tmp_path: Path) -> None:
        """Is told at the start, with the reason."""
        environ["BROKER_AUDIT_LOG"] = str(tmp_path / "no-folder" / "audit.log")
        assert problems(environ) == (
            "BROKER_AUDIT_LOG cannot be opened (No such file or directory)",
        )

    def test_a_pipe_without_a_reader_is_no_problem(
        self, environ: dict[str, str], tmp_path: Path
    ) -> None:
        """Its reader may start later; nobody waits for it."""
        os.mkfifo(tmp_path / "pipe")
        assert problems({**environ, "BROKER_AUDIT_LOG": str(tmp_path / "pipe")}) == ()


class TestTracing:
    def test_with_the_extra(self, environ: dict[str, str]) -> None:
        """It is installed where the tests run."""
        assert problems({**environ, "BROKER_TRACING": "otlp"}) == ()

    @pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.sdk.trace"])
    def test_without_the_extra(
        self, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, missing: str
    ) -> None:
        """The sentence names what to install."""

        def find(module: str) -> object:
            if missing == "opentelemetry":
                raise ModuleNotFoundError
            return None if module == missing else object()

        monkeypatch.setattr(checks, "find_spec", find)
        (told,) = problems({**environ, "BROKER_TRACING": "otlp"})
        assert told == (
            "BROKER_TRACING is otlp and needs OpenTelemetry: install the extra "
            "canvas-token-broker[tracing]"
        )
