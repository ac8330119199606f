from collections.abc import Callable
from pathlib import Path

import pytest

from broker.errors import InvalidCredentialError
from broker.kubernetes import ServiceAccounts, SetupError, service_accounts
from tests.fakes import FakeClock
from tests.kubernetes.cluster import AUDIENCE, Cluster

pytestmark = pytest.mark.sockets

Compose = Callable[..., ServiceAccounts]


@pytest.fixture
def compose(cluster: Cluster, clock: FakeClock) -> Compose:
    """Return a maker of service accounts in this cluster, with settings changed."""

    def make(**changes: object) -> ServiceAccounts:
        settings: dict[str, object] = {
            "audience": AUDIENCE,
            "issuer": None,
            "jwks_url": cluster.jwks_url,
            "token_file": cluster.own_token_file,
            "ca_file": cluster.ca_file,
            "clock": clock,
        }
        return service_accounts(**(settings | changes))  # type: ignore[arg-type]  # mixed types

    return make


def test_nothing_is_fetched_before_it_is_needed(cluster: Cluster, compose: Compose) -> None:
    """Composing happens before the fork; an API server that is away stops no start."""
    compose()
    assert cluster.requests == []


def test_the_issuer_of_the_own_token_is_the_one_expected(
    cluster: Cluster, compose: Compose
) -> None:
    """Whatever the cluster calls itself."""
    cluster.issuer = "https://oidc.example/id/7"
    cluster.renew_own_token()
    assert compose().identify(cluster.token()) == "shop:orders"


def test_a_named_issuer_counts_alone(cluster: Cluster, compose: Compose) -> None:
    """The own token has no say then, and need not be readable at the start."""
    own = cluster.own_token_file.read_text()
    cluster.own_token_file.unlink()
    accounts = compose(issuer="https://other.example")
    cluster.own_token_file.write_text(own)
    with pytest.raises(InvalidCredentialError):
        accounts.identify(cluster.token())
    assert accounts.identify(cluster.token(iss="https://other.example")) == "shop:orders"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"token_file": Path("none")},
            "the issuer of the own token cannot be told: the token file does not exist",
        ),
        ({"ca_file": Path("none")}, "the CA file cannot be read, or holds no certificates"),
        (
            {"jwks_url": "ftp://canary"},
            "the JWKS URL must be an absolute http or https URL without a user",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    compose: Compose, changes: dict[str, object], sentence: str
) -> None:
    """For the operator, without content."""
    with pytest.raises(SetupError) as found:
        compose(**changes)
    assert str(found.value) == sentence


def test_a_ca_file_without_certificates_is_found_at_the_start(
    compose: Compose, tmp_path: Path
) -> None:
    """Not at the first caller."""
    (tmp_path / "ca").write_text("canary")
    with pytest.raises(SetupError, match="the CA file cannot be read"):
        compose(ca_file=tmp_path / "ca")
