"""What an address of Redis says; what is no such address: ``settings/test_values_refused.py``."""

from typing import Any

import pytest

from broker.redis_address import Login, RedisAddress, checks_name, parse_redis_address

NOTHING: dict[str, Any] = {
    "kind": "",
    "hosts": (("r", 6379),),
    "socket": None,
    "service": "",
    "database": 0,
    "login": None,
    "sentinel_login": None,
    "tls": None,
}


def parts(**said: Any) -> RedisAddress:
    """Return the address of the host ``r`` that says this beside."""
    return RedisAddress(**NOTHING | said)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("redis://Redis", parts(hosts=(("redis", 6379),))),
        ("redis://[::1]:6380/", parts(hosts=(("::1", 6380),))),
        ("redis://r/3", parts(database=3)),
        ("redis://r/3?db=4", parts(database=4)),
        ("unix:///run/re%20dis?db=1", parts(hosts=(), socket="/run/re dis", database=1)),
        ("redis://a%40b:c%3Ad@r", parts(login=Login("a@b", "c:d"))),
        ("redis://r?password=a+b%2B", parts(login=Login("", "a b+"))),
        ("redis://me@r?password=x", parts(login=Login("me", "x"))),
        ("redis://:x@r?password=y", parts(login=Login("", "x"))),
        ("redis://@r", parts(login=Login("", ""))),
        ("rediss://r", parts(tls={})),
        (
            "redis+sentinel://a:1,b:2/main/5?sentinel_password=w",
            parts(
                kind="sentinel",
                hosts=(("a", 1), ("b", 2)),
                service="main",
                database=5,
                sentinel_login=Login("", "w"),
            ),
        ),
        (
            "rediss+cluster://a,[::1]:7/0?ssl_ca_certs=/ca.pem&ssl_password=",
            parts(kind="cluster", hosts=(("a", 6379), ("::1", 7)), tls={"ssl_ca_certs": "/ca.pem"}),
        ),
    ],
)
def test_what_an_address_says(text: str, address: RedisAddress) -> None:
    """Logins percent-decoded, those before the host first."""
    assert parse_redis_address(text) == address


def test_no_secret_is_shown() -> None:
    """A login before the host may be a password alone."""
    text = "rediss+sentinel://canary@a:1/b?sentinel_password=canary&ssl_password=canary"
    assert "canary" not in repr(parse_redis_address(text))


@pytest.mark.parametrize(("text", "checked"), [("no", False), ("False", False), ("true", True)])
def test_whether_the_name_in_a_certificate_counts(text: str, *, checked: bool) -> None:
    """Unless it is said otherwise."""
    assert checks_name({"ssl_check_hostname": text}) is checked
    assert checks_name({})
