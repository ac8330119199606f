from collections.abc import Callable

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
            "issuer": cluster.issuer,
            "jwks_url": cluster.jwks_url,
            "token": cluster.own_token,
            "token_host": "127.0.0.1",
            "longest_life": 86400.0,
            "tls": cluster.tls,
            "clock": clock,
        }
        return service_accounts(**(settings | changes))  # type: ignore[arg-type]  # mixed types

    return make


def test_nothing_is_fetched_before_it_is_needed(cluster: Cluster, compose: Compose) -> None:
    """Composing happens before the fork; an API server that is away stops no start."""
    compose()
    assert cluster.requests == []


def test_a_named_issuer_counts_alone(cluster: Cluster, compose: Compose) -> None:
    """Whatever the cluster calls itself."""
    accounts = compose(issuer="https://other.example")
    with pytest.raises(InvalidCredentialError):
        accounts.identify(cluster.token())
    assert accounts.identify(cluster.token(iss="https://other.example")) == "shop:orders"


def test_the_longest_life_is_the_one_set(cluster: Cluster, compose: Compose) -> None:
    """A token of the cluster lives an hour."""
    assert compose(longest_life=3600.0).identify(cluster.token()) == "shop:orders"
    with pytest.raises(InvalidCredentialError):
        compose(longest_life=3599.0).identify(cluster.token())


def test_the_own_token_goes_to_its_host_alone(cluster: Cluster, compose: Compose) -> None:
    """The one set."""
    compose().keys.refresh()
    compose(token_host="kubernetes.default.svc").keys.refresh()
    assert ["authorization" in request.headers for request in cluster.requests] == [True, False]


def test_what_is_wrong_is_said_in_a_sentence(compose: Compose) -> None:
    """For the operator, without content."""
    with pytest.raises(SetupError) as found:
        compose(jwks_url="ftp://canary")
    expected = "the JWKS URL must be an absolute http or https URL without a user"
    assert str(found.value) == expected
