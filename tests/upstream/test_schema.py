import json

import pytest

from broker.failure_kinds import FailureKind
from broker.secret import Secret
from broker.tokens import Flaw
from broker.upstream.schema import AnswerSchema, Fields, read_fields
from tests.upstream.samples import ACCESS_TOKEN, NOW, REFRESH_TOKEN, body, fields


def read(**changes: object) -> Fields:
    """Read a good answer with changes that leave its refresh token good."""
    found = read_fields(body(**changes))
    assert isinstance(found, Fields)
    return found


def test_the_documented_object_is_read() -> None:
    """All four fields of canvas-api.md arrive; the prefix of the access token does not."""
    found = read(access_token="Bearer a.b.c")
    assert found.access_token == Secret("a.b.c")
    assert found.refresh_token == Secret(REFRESH_TOKEN)
    assert found.access_expires == pytest.approx(NOW + 900.94581)
    assert found.refresh_expires == pytest.approx(NOW + 86400.94581)


@pytest.mark.parametrize("prefix", ["Bearer", "bearer", "BEARER"])
def test_the_prefix_may_be_written_in_any_case(prefix: str) -> None:
    """HTTP compares authentication schemes without regard to case."""
    assert read(access_token=f"{prefix} a.b.c").access_token == Secret("a.b.c")


@pytest.mark.parametrize(
    "value",
    [
        *[
            ...,
            None,
            7,
            True,
            [],
            {},
            "",
            "a b",
            "Bearer",
            "bearer",
            "Bearer Bearer",
            "Bearer ",
            "Bearer  a",
            "Basic a",
        ],
        *["Bearer a b", "Bearer a\r\nX: y", "Bearer a\n", "Bearer \u00e9", "Bearer \x7f"],
        "Bearer " + "a" * 16385,
        "\ud800",
    ],
)
def test_a_bad_access_token_leaves_the_refresh_token(value: object) -> None:
    """Whatever would not fit into one header counts as no token."""
    found = read(access_token=value)
    assert found.access_token is None
    assert found.refresh_token == Secret(REFRESH_TOKEN)


@pytest.mark.parametrize(
    ("text", "unix"),
    [
        ("2022-04-27T14:16:21+00:00", 1651068981),
        ("2022-04-27T14:16:21Z", 1651068981),
        ("2022-04-27T14:16:21.9+00:00", 1651068981.9),
        ("2022-04-27T14:16:21.9458102+00:00", 1651068981.94581),
        ("2022-04-27T14:16:21.9458102Z", 1651068981.94581),
        ("2022-04-27T16:16:21.945810212345+02:00", 1651068981.94581),
        ("2022-04-27T07:46:21.94-06:30", 1651068981.94),
        ("0001-01-01T00:00:00+00:00", -62135596800),
        ("9999-12-31T23:59:59.9999999+00:00", 253402300800),
    ],
)
def test_an_instant_has_any_number_of_digits_and_an_offset(text: str, unix: float) -> None:
    """Seven digits, as documented, or more, fewer or none."""
    assert read(accessTokenExpiresDateTime=text).access_expires == pytest.approx(unix)


@pytest.mark.parametrize(
    "value",
    [
        *[..., None, 1651068981, True, [], "", "soon", "2022-04-27"],
        *["2022-04-27T14:16:21.9458102", "2022-04-27T14:16:21", "2022-13-27T14:16:21Z"],
        "2022-04-27T14:16:21.9458102+99:00",
    ],
)
def test_an_instant_without_offset_or_sense_is_none(value: object) -> None:
    """An instant that could mean several is not guessed."""
    assert read(accessTokenExpiresDateTime=value).access_expires is None


@pytest.mark.parametrize("value", ["f" * 32, "a/b+c=", "~" * 1024])
def test_a_refresh_token_may_be_any_visible_ascii(value: str) -> None:
    """Nothing rests on the documented 32 hexadecimal digits."""
    assert read(refresh_token=value).refresh_token == Secret(value)


@pytest.mark.parametrize("value", [..., None, 7, "", "a b", "a\nb", "\u00e9", "a" * 1025])
def test_a_bad_refresh_token_leaves_the_access_token(value: object) -> None:
    """Missing and null are one flaw, what cannot be presented is another."""
    found = read(refresh_token=value)
    assert (found.access_token, found.refresh_token) == (Secret(ACCESS_TOKEN), None)
    missing = value is ... or value is None
    assert found.flaws == {Flaw.NO_REFRESH_TOKEN if missing else Flaw.BAD_REFRESH_TOKEN}


@pytest.mark.parametrize("value", [..., None, 86400, "tomorrow", "2022-04-28T14:01:21"])
def test_a_bad_expiry_of_the_refresh_token_leaves_the_access_token(value: object) -> None:
    """The refresh token itself is good, but for nobody knows how long."""
    found = read(refreshTokenExpiresDateTime=value)
    assert (found.access_token, found.refresh_expires) == (Secret(ACCESS_TOKEN), None)
    missing = value is ... or value is None
    assert found.flaws == {Flaw.NO_REFRESH_EXPIRY if missing else Flaw.BAD_REFRESH_EXPIRY}


@pytest.mark.parametrize("token", ["a.b.c", "opaque", "bearer.a.b"])
def test_the_prefix_may_be_missing(token: str) -> None:
    """What is sent to Canvas is the scheme and the token, whoever puts the one before the other."""
    found = read(access_token=token)
    assert found.access_token == Secret(token)
    assert found.flaws == {Flaw.NO_PREFIX}


@pytest.mark.parametrize("content", [b"[]", b'"x"', b"7", b"null", b"true", b"NaN"])
def test_json_that_is_no_object_is_a_bad_answer(content: bytes) -> None:
    """JSON of another shape is told apart from what is no JSON."""
    assert read_fields(content) is FailureKind.BAD_ANSWER


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Bearer</html>",
        body()[:-1],
        b"\xff\xfe\xff",
        b'{"a": \xe9}',
        b"[" * 200000,
        b'{"a":' * 30000,
        b"9" * 5000,
        body() + body(),
    ],
)
def test_what_is_no_json_is_unreadable(content: bytes) -> None:
    """HTML, a part of JSON, other encodings and traps for the parser end the same way."""
    assert read_fields(content) is FailureKind.UNREADABLE


def test_further_fields_are_ignored() -> None:
    """Canvas may add fields; they may be as strange as JSON allows."""
    content = b'{"x": NaN, "x": [1e999], "": null, ' + body()[1:]
    assert isinstance(read_fields(content), Fields)


def test_the_schema_itself_has_nothing_against_further_fields() -> None:
    """They are no error that the reader would have to overlook."""
    loaded = AnswerSchema().load({**fields(), "scope": "all"})
    assert "scope" not in loaded


def test_a_byte_order_mark_is_ignored() -> None:
    """Some servers put one before their JSON."""
    assert isinstance(read_fields(b"\xef\xbb\xbf" + body()), Fields)


def test_the_fields_do_not_show_the_tokens() -> None:
    """The tokens are secrets from the schema on."""
    shown = repr(read())
    assert str(fields()["access_token"]).removeprefix("Bearer ") not in shown
    assert REFRESH_TOKEN not in shown
    assert json.dumps(REFRESH_TOKEN) not in shown
