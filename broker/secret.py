"""A string that does not show itself."""

import hmac
from typing import NoReturn, final

SHOWN = "<secret>"


@final
class Secret:
    """Wraps a secret so that printing, formatting, logging or pickling it reveals nothing.

    Only :meth:`reveal` gives the value back, so each place that needs it can be found by name.
    It is immutable, so its copy is itself; it has no order, and is not pickled (``TypeError``).
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

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
