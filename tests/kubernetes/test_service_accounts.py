import json
import math
from typing import Any

import pytest

from broker.kubernetes import ServiceAccounts
from tests.fakes import FakeClock
from tests.kubernetes.asking import refused
from tests.kubernetes.cluster import ABSENT, AUDIENCE, Cluster
from tests.kubernetes.signing import compact, encoded, rsa_key

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_good_token_names_its_service_account(
    cluster: Cluster, accounts: ServiceAccounts, alg: str
) -> None:
    """Under both algorithms; the issuer is that of the broker's own token."""
    assert accounts.identify(cluster.token(alg=alg)) == "shop:orders"
    assert accounts.identify(cluster.token(alg=alg, sub="system:serviceaccount:a-1:b.c-2")) == (
        "a-1:b.c-2"
    )


def test_nothing_is_fetched_before_it_is_needed(
    cluster: Cluster, accounts: ServiceAccounts
) -> None:
    """They are made before the fork; an API server that is away stops no start."""
    assert cluster.requests == []


def test_a_named_issuer_counts_alone(
    cluster: Cluster, accounts: ServiceAccounts, clock: FakeClock
) -> None:
    """Whatever the cluster calls itself."""
    other = ServiceAccounts(AUDIENCE, "https://other.example", accounts.keys, clock, 86400)
    refused(other, cluster.token())
    assert other.identify(cluster.token(iss="https://other.example")) == "shop:orders"


def test_the_audience_may_be_one_of_many_or_stand_alone(
    cluster: Cluster, accounts: ServiceAccounts
) -> None:
    """Kubernetes writes a list; text is allowed, too."""
    assert accounts.identify(cluster.token(aud=["other", AUDIENCE]))
    alone = cluster.claims() | {"aud": AUDIENCE}
    key = cluster.key()
    assert accounts.identify(compact({"alg": "RS256", "kid": key.kid}, alone, key))


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "typ"])
def test_what_a_header_says_of_keys_is_ignored(
    cluster: Cluster, accounts: ServiceAccounts, name: str
) -> None:
    """It neither helps nor harms."""
    says = {name: rsa_key(9).jwk() if name == "jwk" else "https://127.0.0.1:9/"}
    assert accounts.identify(cluster.token(header=says))
    forged = cluster.token(key=rsa_key(9), header={**says, "kid": cluster.key().kid})
    refused(accounts, forged)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"},
        {"aud": []},
        {"aud": [AUDIENCE, 7]},
        {"aud": {AUDIENCE: 1}},
        {"aud": ABSENT},
        {"aud": AUDIENCE + " "},
        {"iss": "https://elsewhere"},
        {"iss": ["https://kubernetes.default.svc.cluster.local"]},
        {"iss": "https://kubernetes.default.svc.cluster.local/"},
        {"iss": ABSENT},
        {"exp": ABSENT},
        {"exp": None},
        {"exp": True},
        {"exp": "1900000000"},
        {"exp": [1900000000]},
        {"exp": math.nan},
        {"exp": math.inf},
        {"exp": 10**400},
        {"exp": 0},
        {"iat": ABSENT},
        {"iat": None},
        {"iat": True},
        {"iat": "0"},
        {"iat": math.nan},
        {"iat": -math.inf},
        {"iat": 0},
        {"nbf": math.nan},
        {"nbf": True},
        {"nbf": None},
        {"nbf": "0"},
        {"nbf": -(10**400)},
        {"sub": ABSENT},
        {"sub": 7},
        {"sub": ""},
        {"sub": "shop:orders"},
        {"sub": "kubernetes-admin"},
        {"sub": "system:node:worker-1"},
        {"sub": "system:serviceaccount:shop"},
        {"sub": "system:serviceaccount:shop:"},
        {"sub": "system:serviceaccount::orders"},
        {"sub": "system:serviceaccount:shop:orders:more"},
        {"sub": "system:serviceaccount:shop:orders\n"},
        {"sub": "system:serviceaccount:Shop:orders"},
        {"sub": "xsystem:serviceaccount:shop:orders"},
        {"sub": f"system:serviceaccount:{'s' * 64}:orders"},
        {"sub": f"system:serviceaccount:shop:{'s' * 254}"},
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_is_refused(
    cluster: Cluster, accounts: ServiceAccounts, changes: dict[str, Any]
) -> None:
    """Though the cluster itself signed it."""
    refused(accounts, cluster.token(**changes))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS256"},
        {"alg": "RS512"},
        {"alg": "PS256"},
        {"alg": "ES256"},
        {"alg": "ES384"},
        {"alg": "rs256"},
        {"alg": ["RS256"]},
        {"alg": None},
        {"alg": ABSENT},
        {"kid": ABSENT},
        {"kid": ""},
        {"kid": 7},
        {"kid": None},
        {"kid": ["x"]},
        {"kid": "x" * 257},
        {"kid": "nobody's"},
        {"kid": "../../../dev/null"},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": ["b64"], "b64": True},
        {"b64": False},
    ],
    ids=str,
)
def test_a_header_that_is_wrong_is_refused(
    cluster: Cluster, accounts: ServiceAccounts, header: dict[str, object]
) -> None:
    """Though the cluster itself signed it, by RS256."""
    refused(accounts, cluster.token(header=header))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a.b.c.d.e",
        "ctb_key",
        "ä.ö.ü",
        "\ud800",
        "\0",
        "a" * 5_000_000,
        ".".join(["a" * 1_000_000] * 3),
    ],
    ids=lambda token: ascii(token[:12]),
)
def test_what_is_no_token_is_refused_without_a_fetch(
    cluster: Cluster, accounts: ServiceAccounts, token: str
) -> None:
    """Nobody who just sends something makes the broker ask the API server."""
    refused(accounts, token)
    assert cluster.requests == []


def test_an_encrypted_token_is_refused(cluster: Cluster, accounts: ServiceAccounts) -> None:
    """Five parts, of which the first is a good header."""
    first = encoded({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": cluster.key().kid})
    refused(accounts, f"{first}.AAAA.AAAA.AAAA.AAAA")
    refused(accounts, f"{cluster.token()}.AAAA.AAAA")


@pytest.mark.parametrize("change", ["{}=", "{}==", "{}\n", " {}", "{} ", "Bearer {}", "{}."])
def test_a_good_token_in_another_spelling_is_refused(
    cluster: Cluster, accounts: ServiceAccounts, change: str
) -> None:
    """One token, one spelling."""
    refused(accounts, change.format(cluster.token()))


def test_a_huge_token_is_refused(cluster: Cluster, accounts: ServiceAccounts) -> None:
    """Even if the cluster signed it; just below the limit it is taken."""
    assert accounts.identify(cluster.token(pad="x" * 2000))
    refused(accounts, cluster.token(pad="x" * 4000))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 2000,
        b'{"a":' * 400 + b"1" + b"}" * 400 + b"}",
    ],
)
def test_a_signed_payload_that_is_no_object_is_refused(
    cluster: Cluster, accounts: ServiceAccounts, payload: bytes
) -> None:
    """The signature is good, the content is none."""
    key = cluster.key()
    refused(accounts, compact({"alg": "RS256", "kid": key.kid}, payload, key))


def test_a_member_that_occurs_twice_is_refused(cluster: Cluster, accounts: ServiceAccounts) -> None:
    """In the header as in the claims: readers differ in which of the two counts."""
    key, claims = cluster.key(), json.dumps(cluster.claims()).encode()
    header = json.dumps({"alg": "RS256", "kid": key.kid}).encode()
    assert accounts.identify(compact(header, claims, key))
    twice = b'{"sub":"system:serviceaccount:kube-system:admin",' + claims[1:]
    refused(accounts, compact(header, twice, key))
    refused(accounts, compact(b'{"alg":"none",' + header[1:], claims, key))
