import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from broker.kubernetes import ServiceAccounts
from tests.kubernetes.asking import refused
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.signing import SigningKey, base64url, compact, ec_key, encoded, hs256, rsa_key

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "RS256"])
def test_a_token_without_signature_is_refused(
    cluster: Cluster, accounts: ServiceAccounts, alg: str
) -> None:
    """Whatever it calls its algorithm, with the last part empty or made up."""
    head = f"{encoded({'alg': alg, 'kid': cluster.key().kid})}.{encoded(cluster.claims())}"
    for token in (f"{head}.", f"{head}.AA", head):
        refused(accounts, token)


@pytest.mark.parametrize("alg", ["none", "HS256", "RS512", "EdDSA"])
def test_another_algorithm_is_refused_without_a_fetch(
    cluster: Cluster, accounts: ServiceAccounts, alg: str
) -> None:
    """No key that the cluster may publish could verify it."""
    refused(accounts, cluster.token(header={"alg": alg, "kid": "made-up"}))
    assert cluster.requests == []


@pytest.mark.parametrize("claimed", ["HS256", "RS256", "ES256"])
def test_the_public_key_is_no_shared_secret(
    cluster: Cluster, accounts: ServiceAccounts, claimed: str
) -> None:
    """In none of the forms in which anybody can have it."""
    key = cluster.key()
    for secret in (key.pem, key.pem.strip(), json.dumps(key.jwk()).encode(), b""):
        refused(accounts, hs256({"alg": claimed, "kid": key.kid}, cluster.claims(), secret))


@pytest.mark.parametrize(("claimed", "other"), [("RS256", "ES256"), ("ES256", "RS256")])
def test_the_type_of_the_key_decides_the_algorithm(
    cluster: Cluster, accounts: ServiceAccounts, claimed: str, other: str
) -> None:
    """A key named for a token of the other algorithm verifies nothing."""
    for signer in (claimed, other):
        token = cluster.token(
            key=cluster.key(signer), header={"alg": claimed, "kid": cluster.key(other).kid}
        )
        refused(accounts, token)


@pytest.mark.parametrize("key", [rsa_key(9), ec_key(9)], ids=["RS256", "ES256"])
def test_a_key_of_somebody_else_signs_nothing(
    cluster: Cluster, accounts: ServiceAccounts, key: SigningKey
) -> None:
    """Neither under its own id nor under that of a key of the cluster."""
    alg = key.algorithm
    refused(accounts, cluster.token(key=key, alg=alg))
    refused(accounts, cluster.token(key=key, alg=alg, header={"kid": cluster.key(alg).kid}))


def test_keys_that_are_too_weak_sign_nothing(cluster: Cluster, accounts: ServiceAccounts) -> None:
    """Even if the cluster publishes them."""
    weak, curve = rsa_key(0, 1024), ec_key(0, ec.SECP384R1)
    cluster.published += [weak, curve]
    refused(accounts, cluster.token(key=weak))
    refused(accounts, compact({"alg": "ES256", "kid": curve.kid}, cluster.claims(), ec_key(9)))
    assert accounts.identify(cluster.token())


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_part_breaks_the_signature(
    cluster: Cluster, accounts: ServiceAccounts, part: int
) -> None:
    """Each of the three."""
    parts = cluster.token().split(".")
    changed = [
        encoded({"kid": cluster.key().kid, "alg": "RS256"}),
        encoded(cluster.claims(sub="system:serviceaccount:kube-system:admin")),
        base64url(b"\0" * 256),
    ]
    parts[part] = changed[part]
    refused(accounts, ".".join(parts))
