"""A secret shows itself in no form but the one that is asked for by name."""

import copy
import json
import logging
import operator
import pickle
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pprint import pformat
from string import Template
from typing import Any

import pytest

from broker.secret import SHOWN, Secret

CANARY = "canary-0f9e"


@dataclass(frozen=True)
class Holder:
    secret: Secret
    others: list[Secret] = field(default_factory=list)


def test_it_is_revealed_by_name() -> None:
    """There is no other way."""
    assert Secret(CANARY).reveal() == CANARY


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        pformat,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r}",
        lambda secret: f"{secret!s:>40}",
        lambda secret: f"{secret:>40}",
        lambda secret: "%s" % secret,  # noqa: UP031  # this form is what is tested
        lambda secret: "%r" % (secret,),  # noqa: UP031  # as above
        "{}".format,
        lambda secret: Template("$it").substitute(it=secret),
        lambda secret: repr([secret, (secret,), {"it": secret}]),
        lambda secret: repr(Holder(secret, [secret])),
        lambda secret: json.dumps({"it": secret}, default=str),
        lambda secret: json.dumps({"it": secret}, default=repr),
        lambda secret: str(ValueError(secret)),
        lambda secret: "".join(traceback.format_exception(ValueError(secret))),
    ],
)
def test_no_text_made_of_it_holds_it(show: Callable[[Secret], str]) -> None:
    """A mark stands in its place."""
    shown = show(Secret(CANARY))
    assert "canary" not in shown
    assert SHOWN in shown


def test_a_log_line_does_not_hold_it(caplog: pytest.LogCaptureFixture) -> None:
    """As an argument, in a message, or beside it."""
    secret = Secret(CANARY)
    logging.getLogger("test").warning("one %s, two %r", secret, [secret], extra={"it": secret})
    assert "canary" not in caplog.text + repr(vars(caplog.records[0]))


@pytest.mark.parametrize(
    "serialize",
    [
        pickle.dumps,
        json.dumps,
        vars,
        list,
        bytes,
        len,
        int,
        sorted,
        operator.index,
        lambda secret: "text " + secret,
        lambda secret: b"%b" % secret,
        lambda secret: secret < Secret(CANARY),
        lambda secret: secret >= CANARY,
        lambda secret: max([secret, secret]),
        lambda secret: secret.__getstate__(),
        lambda secret: secret.__reduce__(),
        "".join,
    ],
)
def test_it_is_not_turned_into_anything(serialize: Callable[[Any], object]) -> None:
    """Nor put in an order, which would tell of it bit by bit."""
    with pytest.raises(TypeError) as caught:
        serialize(Secret(CANARY))
    assert "canary" not in str(caught.value)


def test_its_copy_is_itself() -> None:
    """It is immutable, so nobody needs another one; a copy of what holds it does not show it."""
    secret = Secret(CANARY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy(Holder(secret)).secret is secret
    assert asdict(Holder(secret)) == {"secret": secret, "others": []}
    assert "canary" not in repr(asdict(Holder(secret)))


def test_no_attribute_but_one_holds_it() -> None:
    """``dir`` names that one, since Python hides nothing; no other gives the value away."""
    secret = Secret(CANARY)
    shown = {name: repr(getattr(secret, name)) for name in dir(secret) if name != "_value"}
    assert not [name for name, text in shown.items() if "canary" in text]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_pickled_by_no_protocol(protocol: int) -> None:
    """Nor as a part of something else."""
    with pytest.raises(TypeError):
        pickle.dumps(Holder(Secret(CANARY)), protocol)


def test_equal_secrets_are_equal_and_found_in_sets() -> None:
    """Also when they are not ASCII."""
    assert Secret("é") == Secret("é")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert {Secret("a"), Secret("a"), Secret("b")} == {Secret("b"), Secret("a")}
    assert hash(Secret("a")) != hash("a")


def test_an_empty_secret_is_false() -> None:
    """As an empty text is."""
    assert Secret("a")
    assert not Secret("")


def test_it_has_no_other_attributes() -> None:
    """Nothing can be hung onto it."""
    with pytest.raises(AttributeError):
        Secret(CANARY).other = 1  # type: ignore[attr-defined] # that is the test


def test_it_compares_and_hides_what_is_no_text() -> None:
    """An environment variable that is not UTF-8 has lone surrogates; no error quotes them."""
    assert Secret("\udcff") == Secret("\udcff")
    assert Secret("\udcff") != Secret("\udcfe")
