from typing import Any

import jwt
import pytest

from broker.errors import TemporarilyUnavailableError
from broker.kubernetes import ServiceAccounts
from broker.kubernetes.service_accounts import LEEWAY, REMEMBERED
from tests.fakes import FakeClock
from tests.kubernetes.asking import refused
from tests.kubernetes.cluster import ABSENT, AUDIENCE, Cluster
from tests.kubernetes.signing import rsa_key

pytestmark = pytest.mark.sockets


def test_exp_counts_by_our_clock_with_a_little_leeway(
    cluster: Cluster, accounts: ServiceAccounts, clock: FakeClock
) -> None:
    """Also for a token that was good a moment ago."""
    token = cluster.token(exp=int(clock.wall()) + 60)
    clock.sleep(60 + LEEWAY - 1)
    assert accounts.identify(token) == "shop:orders"
    clock.sleep(1)
    refused(accounts, token)
    refused(accounts, cluster.token(exp=int(clock.wall()) - LEEWAY))


def test_nbf_counts_by_our_clock_with_a_little_leeway(
    cluster: Cluster, accounts: ServiceAccounts, clock: FakeClock
) -> None:
    """A token from the future is refused now and good later; without nbf it is good at once."""
    token = cluster.token(nbf=int(clock.wall()) + 60)
    refused(accounts, token)
    clock.sleep(60 - LEEWAY - 1)
    refused(accounts, token)
    clock.sleep(1)
    assert accounts.identify(token) == "shop:orders"
    assert accounts.identify(cluster.token(nbf=ABSENT)) == "shop:orders"


def test_a_token_from_before_the_clock_was_set_back_waits_for_its_nbf(
    cluster: Cluster, accounts: ServiceAccounts, clock: FakeClock
) -> None:
    """Being known does not help it."""
    token = cluster.token()
    accounts.identify(token)
    clock.host_error = -60.0
    refused(accounts, token)


def test_no_other_clock_is_asked(
    cluster: Cluster, accounts: ServiceAccounts, clock: FakeClock
) -> None:
    """What is good by ours is good, whatever PyJWT finds on the host's."""
    clock.host_error = -1e9
    assert accounts.identify(cluster.token()) == "shop:orders"


def test_iat_counts_as_nbf_does(
    cluster: Cluster, accounts: ServiceAccounts, clock: FakeClock
) -> None:
    """Nothing is good before it was issued, with a little leeway."""
    issued = int(clock.wall()) + 60
    token = cluster.token(iat=issued, nbf=ABSENT)
    refused(accounts, token)
    refused(accounts, cluster.token(iat=issued))
    clock.sleep(60 - LEEWAY)
    assert accounts.identify(token) == "shop:orders"


@pytest.mark.parametrize("age", [0, 3600])
def test_a_whole_life_is_a_day_at_most(
    cluster: Cluster, accounts: ServiceAccounts, clock: FakeClock, age: int
) -> None:
    """By the times in the token, however much of it is left."""
    issued = int(clock.wall()) - age
    claims: dict[str, Any] = {"iat": issued, "nbf": issued}
    assert accounts.identify(cluster.token(**claims, exp=issued + 86400)) == "shop:orders"
    refused(accounts, cluster.token(**claims, exp=issued + 86401))
    refused(accounts, cluster.token(**claims, exp=issued + 10**9))


def test_the_longest_life_is_the_one_set(
    cluster: Cluster, accounts: ServiceAccounts, clock: FakeClock
) -> None:
    """A token of the cluster lives an hour."""
    keys, issuer = accounts.keys, cluster.issuer
    allowing = ServiceAccounts(AUDIENCE, issuer, keys, clock, longest_life=3600.0)
    assert allowing.identify(cluster.token()) == "shop:orders"
    refused(ServiceAccounts(AUDIENCE, issuer, keys, clock, longest_life=3599.0), cluster.token())


def test_a_hot_caller_costs_one_signature_check(
    cluster: Cluster, accounts: ServiceAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same token is recognized, another one is not."""
    checks: list[str] = []
    decode = jwt.decode

    def counted(token: str, *rest: Any, **options: Any) -> object:
        checks.append(token)
        return decode(token, *rest, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    token = cluster.token()
    assert {accounts.identify(token) for _ in range(50)} == {"shop:orders"}
    assert checks == [token]
    accounts.identify(cluster.token())
    assert len(checks) == 2


def test_what_is_remembered_is_bounded_and_holds_no_token(
    cluster: Cluster, accounts: ServiceAccounts
) -> None:
    """The oldest goes; who is refused is not remembered at all."""
    token = cluster.token()
    accounts.identify(token)
    refused(accounts, cluster.token(aud="other"))
    (first,) = accounts._verified
    kept = accounts._verified[first]
    for number in range(REMEMBERED):
        accounts._remember(number.to_bytes(32, "big"), kept)
    assert len(accounts._verified) == REMEMBERED
    assert first not in accounts._verified
    assert token not in repr(accounts._verified)
    assert accounts.identify(token)


def test_a_known_token_ends_with_its_key(cluster: Cluster, accounts: ServiceAccounts) -> None:
    """A key that the cluster withdraws takes all its tokens with it."""
    token = cluster.token()
    accounts.identify(token)
    cluster.rotate()
    accounts.keys.refresh()
    refused(accounts, token)
    assert accounts.identify(cluster.token())


@pytest.mark.parametrize("keep_old", [True, False])
def test_a_rotated_key_is_found_at_once(
    cluster: Cluster, accounts: ServiceAccounts, *, keep_old: bool
) -> None:
    """By one fetch; the old key goes on as long as it is published."""
    accounts.keys.refresh()
    old = cluster.token()
    cluster.rotate(keep_old=keep_old)
    assert accounts.identify(cluster.token()) == "shop:orders"
    assert len(cluster.requests) == 2
    if keep_old:
        assert accounts.identify(old) == "shop:orders"
    else:
        refused(accounts, old)


def test_an_outage_costs_nobody_whose_key_is_known(
    cluster: Cluster, accounts: ServiceAccounts, clock: FakeClock
) -> None:
    """Tokens never seen before are verified, those of an unknown key are not called wrong."""
    accounts.keys.refresh()
    cluster.answer_with(status=500)
    clock.sleep(3600)
    assert not accounts.keys.refresh()
    assert accounts.identify(cluster.token()) == "shop:orders"
    cluster.rotate()
    with pytest.raises(TemporarilyUnavailableError) as found:
        accounts.identify(cluster.token())
    assert found.value.retry_after == 60
    cluster.recover()
    clock.sleep(60)
    assert accounts.identify(cluster.token()) == "shop:orders"


def test_without_any_keys_nothing_is_called_wrong(
    cluster: Cluster, accounts: ServiceAccounts, clock: FakeClock
) -> None:
    """A broker that starts during an outage serves as soon as that is over."""
    cluster.answer_with(b"<html>")
    with pytest.raises(TemporarilyUnavailableError) as found:
        accounts.identify(cluster.token())
    assert found.value.__context__ is None
    cluster.recover()
    clock.sleep(1)
    assert accounts.identify(cluster.token()) == "shop:orders"


def test_made_up_ids_cause_one_fetch_a_minute(cluster: Cluster, accounts: ServiceAccounts) -> None:
    """Beside the first."""
    accounts.keys.refresh()
    for number in range(50):
        refused(accounts, cluster.token(key=rsa_key(9), header={"kid": f"made-up-{number}"}))
    assert len(cluster.requests) == 2
