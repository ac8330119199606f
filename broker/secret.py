"""A string that does not show itself, and the knowledge of which such strings live."""

import hmac
from collections.abc import Callable
from itertools import count
from typing import NoReturn, final

SHOWN = "<secret>"

# Written by single operations that the interpreter does not interrupt: no lock to be held in a
# fork, or by a thread that the garbage collector has stopped to run ``__del__``.
_alive: dict[int, str] = {}
_births = count(1)
_latest = 0


def live_secrets() -> set[str]:
    """Return the values of all secrets of this process that are still in use."""
    return set(_alive.copy().values())


def latest_birth() -> int:
    """Return a number that is another one after each new secret.

    Take it before :func:`live_secrets`: a secret made in between is then looked for again.
    """
    return _latest


@final
class Secret:
    """Wraps a secret so that printing, formatting, logging or pickling it reveals nothing.

    Only :meth:`reveal` gives the value back, so each place that needs it can be found by name.
    While it lives, :func:`live_secrets` knows it, so that logs can be searched for it. It is
    immutable, so its copy is itself; it has no order, and is not pickled (``TypeError``).
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        global _latest  # noqa: PLW0603  # one store; an attribute would cost creation more
        self._value = value
        _alive[id(self)] = value
        _latest = next(_births)

    # Bound early: at the exit of the interpreter the module's names go before its objects.
    def __del__(self, _forget: Callable[[int, None], object] = _alive.pop) -> None:
        _forget(id(self), None)

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return SHOWN

    def __str__(self) -> str:
        return SHOWN

    def __format__(self, format_spec: str) -> str:
        return SHOWN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._value), _bytes(other._value))

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


def _bytes(value: str) -> bytes:
    """Encode also what is no text: an error would carry the value."""
    return value.encode(errors="surrogatepass")
