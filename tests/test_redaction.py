"""Whatever form a live secret takes in a text, it is taken out; all else stays."""

import base64
import json
import os
import signal
import threading
import timeit
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from broker import redaction
from broker.redaction import SHORTEST, Redactor
from broker.secret import SHOWN, Secret

AWKWARD = 'p@ss "wörd"/+~\\%\n\'tab\t'
CONSUMER = "beefcafe" * 8
SECRET_KEY = "12345678-90ab-cdef-1234-567890abcdef"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ"
FORMS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent": lambda text: quote(text, safe=""),
    "percent with slashes": quote,
    "percent in lower case": lambda text: quote(text, safe="").lower(),
    "form": quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[3:-3],
    "repr": lambda text: repr(text)[1:-1],
    "repr in JSON": lambda text: json.dumps(repr(text))[2:-2],
    "bytes": lambda text: repr(text.encode())[2:-1],
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "upper case": lambda text: quote(text, safe="").upper(),
}


@pytest.fixture
def redactor() -> Redactor:
    """Return one that has seen nothing yet."""
    return Redactor()


@pytest.mark.parametrize("value", [CONSUMER, SECRET_KEY, AWKWARD, "8 signs!"])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_replaced(form: str, value: str, redactor: Redactor) -> None:
    """And nothing beside it."""
    secret = Secret(value)
    shown = FORMS[form](value)
    assert redactor.redact(f"a={shown}, b") == f"a={SHOWN}, b"
    assert redactor.redact(shown) == SHOWN
    del secret


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "a name:"])
@pytest.mark.parametrize("after", ["", "x", "xy", ":xyz"])
@pytest.mark.parametrize("value", [CONSUMER, SECRET_KEY, AWKWARD, "8 signs!", "~~~???>>>"])
def test_base64_is_replaced_in_the_middle_of_more(
    encode: Callable[[bytes], bytes], before: str, after: str, value: str, redactor: Redactor
) -> None:
    """At any alignment, as in ``Basic`` of name and key; at most two signs of its edges stay."""
    secret = Secret(value)
    shown = encode((before + value + after).encode()).decode()
    redacted = redactor.redact(f"Basic {shown}")
    assert SHOWN in redacted
    left = redacted.removeprefix("Basic ").replace(SHOWN, "")
    around = len(shown) - len(value.encode()) * 8 // 6
    assert len(left) <= around + 2
    del secret


def test_parts_of_a_token_are_secrets_and_its_header_is_not(redactor: Redactor) -> None:
    """Every token has the same header; who has the rest has the token."""
    token = Secret(JWT)
    header, payload, signature = JWT.split(".")
    assert redactor.redact(f"Bearer {JWT}.") == f"Bearer {SHOWN}."
    assert redactor.redact(f"{payload} {signature}") == f"{SHOWN} {SHOWN}"
    assert redactor.redact(header) == header
    coded = base64.b64encode(f"x{JWT}".encode()).decode()
    assert redactor.redact(coded).count(SHOWN) == 2
    del token


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cr%2Bt-word@127.0.0.1:6379/0",
        "redis+sentinel://user:s3cr%2Bt-word@one:1,two:2/service",
        "unix://:s3cr%2Bt-word@/path",
        "rediss://host:1/0?ssl_password=s3cr%2Bt-word&db=1",
        "http://proxy:s3cr%2Bt-word@127.0.0.1:3128",
    ],
)
def test_of_a_url_the_password_is_secret(url: str, redactor: Redactor) -> None:
    """Alone and within the URL, as it is and percent-encoded; the host may be shown."""
    secret = Secret(url)
    assert redactor.redact(f"to {url}") == "to " + url.replace("s3cr%2Bt-word", SHOWN)
    assert redactor.redact("AUTH s3cr+t-word") == f"AUTH {SHOWN}"
    del secret


def test_a_url_without_password_is_no_secret(redactor: Redactor) -> None:
    """Settings keep it as one, since there might be one in it."""
    url = Secret("redis://127.0.0.1:6379/0")
    assert redactor.redact(url.reveal()) == "redis://127.0.0.1:6379/0"


def test_short_ones_stay(redactor: Redactor) -> None:
    """They would be found in words that are none of them."""
    secrets = [Secret("x" * (SHORTEST - 1)), Secret("")]
    assert redactor.redact("x" * (SHORTEST - 1)) == "x" * (SHORTEST - 1)
    assert redactor.redact("") == ""
    del secrets


def test_those_that_overlap_leave_nothing(redactor: Redactor) -> None:
    """The longest counts, and what two cover together goes as one."""
    secrets = [Secret("abcdefgh12"), Secret("abcdefgh12345"), Secret("gh12345678")]
    assert redactor.redact("-abcdefgh12345678-") == f"-{SHOWN}-"
    assert redactor.redact("abcdefgh12 abcdefgh12") == f"{SHOWN} {SHOWN}"
    del secrets


def test_other_text_stays_as_it_is(redactor: Redactor) -> None:
    """Whatever signs it holds."""
    secret = Secret(CONSUMER)
    text = "ÄÖ İ ß 😀 \udcff " + "beefcafe" * 7 + "beefcaf0"
    assert redactor.redact(text) == text
    assert redactor.redact(text + CONSUMER) == text + SHOWN
    del secret


def test_it_follows_births_and_deaths(redactor: Redactor) -> None:
    """A new one is replaced from the next text on; the dead are forgotten, the others are not."""
    first = Secret("first-secret")
    assert redactor.redact("first-secret other-secret") == f"{SHOWN} other-secret"
    twin, other = Secret("first-secret"), Secret("other-secret")
    assert redactor.redact("first-secret other-secret") == f"{SHOWN} {SHOWN}"
    del first, other
    another = Secret("another-one")
    assert redactor.redact("first-secret other-secret") == f"{SHOWN} other-secret"
    del twin, another
    last = Secret("the-last-one")
    assert redactor.redact("first-secret another-one") == "first-secret another-one"
    assert redactor.redact(last.reveal()) == SHOWN


def test_the_forms_of_the_dead_take_no_room(redactor: Redactor) -> None:
    """A process lives for months, and a token for minutes."""
    redactor.redact("")
    kept = Secret("the one that is left")
    redactor.redact("")
    before = len(redactor._index._forms)
    for number in range(50):
        secret = Secret(f"number {number} of many, {JWT}")
        redactor.redact("")
        del secret
    last = Secret("nothing")
    redactor.redact("")
    assert len(redactor._index._forms) == before
    del kept, last


def test_two_secrets_may_share_a_form(redactor: Redactor) -> None:
    """One in capitals dies, its twin in small letters is still replaced."""
    small, capital = Secret(CONSUMER), Secret(CONSUMER.upper())
    assert redactor.redact(CONSUMER) == SHOWN
    del capital
    new = Secret("something new")
    assert redactor.redact(CONSUMER) == SHOWN
    del small, new


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_redaction(redactor: Redactor) -> None:
    """The child does not wait for a thread that it does not have."""
    secret = Secret(CONSUMER)
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with redactor._lock:
            taken.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(10)
    child = os.fork()
    if not child:
        signal.alarm(5)  # ends it where it waits
        os._exit(0 if redactor.redact(CONSUMER) == SHOWN else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    done.set()
    holder.join()
    del secret


def test_a_line_costs_little_whatever_the_number_of_secrets(redactor: Redactor) -> None:
    """A thousand times the secrets cost less than ten times as much."""
    line = '{"event": "upstream.failed", "organization": "acme"}' * 12

    def least_time() -> float:
        redactor.redact("")
        return min(timeit.repeat(lambda: redactor.redact(line), number=1, repeat=50))

    secrets = [Secret(f"{number:064x}") for number in range(4)]
    with_few = least_time()
    secrets += [Secret(f"{number:064x}") for number in range(4, 4000)]
    assert least_time() < 10 * with_few
    del secrets


def test_the_mark_is_that_of_a_secret() -> None:
    """Whoever reads the log knows one sign."""
    assert redaction._MARK.decode() == repr(Secret("x"))
