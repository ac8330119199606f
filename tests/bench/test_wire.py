import pytest

from bench.wire import Answer, Asker, get_token, java_get_token, post_token, read

ASKER = Asker("billing", "key", "acme", "token")
ANSWER = b"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 4\r\n\r\nbody"


def test_get_carries_the_key() -> None:
    """As a bearer token; a query is optional."""
    assert get_token(ASKER) == (
        b"GET /token HTTP/1.1\r\nHost: broker\r\nAuthorization: Bearer key\r\n\r\n"
    )
    assert get_token(ASKER, "organization=acme").startswith(
        b"GET /token?organization=acme HTTP/1.1\r\n"
    )


def test_get_may_carry_headers_and_the_token_of_the_service_account() -> None:
    """In place of the key."""
    assert get_token(ASKER.by_account(), headers=[b"a: b", b"c: d"]) == (
        b"GET /token HTTP/1.1\r\nHost: broker\r\nAuthorization: Bearer token\r\n"
        b"a: b\r\nc: d\r\n\r\n"
    )


def test_get_of_java_asks_for_http_2_and_tells_a_length() -> None:
    """Both make it other than plain."""
    head = java_get_token(ASKER)
    assert b"\r\nContent-Length: 0\r\n" in head
    assert b"\r\nUpgrade: h2c\r\n" in head
    assert head.endswith(b"\r\nAuthorization: Bearer key\r\n\r\n")


def test_post_is_that_of_an_oauth_client() -> None:
    """Name and key by HTTP Basic, the grant in a form of the length told."""
    head, _, form = post_token(ASKER).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /token HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Basic YmlsbGluZzprZXk=\r\n" in head
    assert head.endswith(f"\r\nContent-Length: {len(form)}".encode())
    assert form == b"grant_type=client_credentials"


def test_answer_is_read_when_it_is_whole() -> None:
    """Whatever pieces it comes in; what follows is not looked at."""
    assert [read(ANSWER[:end]) for end in range(len(ANSWER))] == [None] * len(ANSWER)
    assert read(ANSWER + b"HTTP/1.1 500") == Answer("200", closes=False, size=len(ANSWER))


def test_end_of_the_connection_is_seen() -> None:
    """In any case of letters."""
    answer = read(b"HTTP/1.1 503 X\r\ncontent-length: 0\r\nConnection: Close\r\n\r\n")
    assert answer is not None
    assert (answer.status, answer.closes) == ("503", True)


@pytest.mark.parametrize(
    "received", [b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
def test_what_is_no_answer_is_refused(received: bytes) -> None:
    """No length, or no HTTP."""
    with pytest.raises(ValueError, match="no HTTP"):
        read(received)
