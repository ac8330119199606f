"""Parameters of a query or a form, read the same on each way, and what is told of bad ones."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from marshmallow import Schema, ValidationError

from broker.errors import InvalidRequestError

MOST = 64
"""Parameters that are read; each costs some microseconds, before anybody has proved who asks."""
_SHOWN = 40


def parameters(sent: bytes) -> dict[str, str]:
    """Return what ``application/x-www-form-urlencoded`` bytes hold.

    Raises :class:`InvalidRequestError` naming a parameter that is given more than once (RFC 6749
    section 3.2) or is not UTF-8 (appendix B), and for more than :data:`MOST`.
    """
    found: dict[str, str] = {}
    for name, text in _pairs(sent):
        if name in found:
            raise InvalidRequestError(f"{_shown(name)} is given more than once")
        if len(found) == MOST:
            raise InvalidRequestError(f"there are more than {MOST} parameters")
        found[name] = text
    return found


def load(schema: Schema, sent: dict[str, str]) -> dict[str, Any]:
    """Return parameters as ``schema`` reads them; raises :class:`InvalidRequestError`."""
    try:
        loaded: dict[str, Any] = schema.load(sent)
    except ValidationError as error:
        problems = error.messages_dict
    else:
        return loaded
    raise InvalidRequestError(
        "; ".join(_problem(schema, name, problems[name]) for name in sorted(problems))
    )


def _pairs(sent: bytes) -> Iterator[tuple[str, str]]:
    for pair in sent.split(b"&"):
        if pair:
            name, _, text = pair.partition(b"=")
            plain = _decoded(name, "the name of a parameter")
            yield plain, _decoded(text, _shown(plain))


def _decoded(sent: bytes, what: str) -> str:
    try:
        return unquote_to_bytes(sent.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        # Its message and context hold what was sent, which may be a key.
        raise InvalidRequestError(f"{what} is not UTF-8") from None


def _problem(schema: Schema, name: str, messages: list[str]) -> str:
    if name not in schema.fields:
        return f"{_shown(name)} is not known; known are {', '.join(sorted(schema.fields))}"
    return f"{name} {messages[0]}"


def _shown(name: str) -> str:
    """Return a parameter's name fit for an error: short, and nothing but plain characters."""
    plain = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "?" for c in name[:_SHOWN]
    )
    return plain or "a parameter without a name"
