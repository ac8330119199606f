"""What clients may read of the token endpoint (RFC 8414)."""

from broker.web.token_endpoint import JWT_BEARER
from tests.web.accounts import Accounts
from tests.web.rig import Rig, error_of

PATH = "/.well-known/oauth-authorization-server"


def test_it_tells_what_the_endpoint_takes(rig: Rig) -> None:
    """All that section 2 requires, and no organization; nobody is asked for a key."""
    response = rig.client.get(PATH, base_url="https://broker.example:8443")
    assert response.status_code == 200
    assert response.get_json() == {
        "issuer": "https://broker.example:8443",
        "token_endpoint": "https://broker.example:8443/token",
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }


def test_the_url_may_be_set() -> None:
    """Behind a proxy the request does not know it."""
    rig = Rig("acme", public_url="https://tokens.example/broker")
    body = rig.client.get(PATH).get_json()
    assert body["issuer"] == "https://tokens.example/broker"
    assert body["token_endpoint"] == "https://tokens.example/broker/token"


def test_with_a_cluster_it_names_the_second_grant() -> None:
    """As soon as service-account tokens are taken."""
    rig = Rig("acme", service_accounts=Accounts())
    grants = rig.client.get(PATH).get_json()["grant_types_supported"]
    assert grants == ["client_credentials", JWT_BEARER]


def test_an_absurd_host_is_not_repeated(rig: Rig) -> None:
    """Neither as a URL nor as an error of ours."""
    for host in ('a"b', "a b", "a/b", "<x>", "a\\b", ""):
        response = rig.client.get(PATH, headers={"Host": host})
        assert error_of(response, 400, "invalid_request") == "Host is missing or not valid"


def test_any_host_that_can_be_one_is_the_issuers(rig: Rig) -> None:
    """As RFC 3986 has them; names of containers have underscores."""
    for host in ("my_broker", "b:8080", "[::1]:8080", "192.0.2.7"):
        body = rig.client.get(PATH, headers={"Host": host}).get_json()
        assert body["issuer"] == f"http://{host}"
