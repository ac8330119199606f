"""Content codings that nobody asked for, undone within bounds (RFC 9110, section 8.4.1).

urllib3 bounds what the last coding gives, not what those before it do: a small body in three
codings can keep it at work for hours, long after the caller's deadline.
"""

import gzip
import io
import zlib
from collections.abc import Sequence
from contextlib import suppress

_GZIP = frozenset({"gzip", "x-gzip"})
_KNOWN = _GZIP | {"deflate"}
_MOST = 5


class OversizeError(Exception):
    """The body is longer than the limit; stays inside the carrier."""


class EncodingError(Exception):
    """The body is encoded in a way that is not known here; stays inside the carrier."""


def codings_of(header: str | None) -> Sequence[str]:
    """Return the codings in the order of their use; EncodingError for others than gzip and deflate.

    A list may have empty elements (RFC 9110, section 5.6.1).
    """
    words = [word.strip() for word in (header or "").lower().split(",")]
    codings = [word for word in words if word not in {"", "identity"}]
    if len(codings) > _MOST or not _KNOWN.issuperset(codings):
        raise EncodingError
    return codings


def decoded(body: bytes, codings: Sequence[str], limit: int) -> bytes:
    """Return the body without ``codings``, each of which may give ``limit`` bytes.

    Raises OversizeError, and EncodingError for what is not so encoded.
    """
    for coding in reversed(codings):
        body = (_gunzipped if coding in _GZIP else _inflated)(body, limit)
        if len(body) > limit:
            raise OversizeError
    return body


def _gunzipped(body: bytes, limit: int) -> bytes:
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(body)).read(limit + 1)
    except (OSError, EOFError, zlib.error):
        raise EncodingError from None


def _inflated(body: bytes, limit: int) -> bytes:
    """Return what the zlib format holds, or the bare deflate data that some servers send."""
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        with suppress(zlib.error):
            unpacker = zlib.decompressobj(window)
            plain = unpacker.decompress(body, limit + 1)
            if unpacker.eof or len(plain) > limit:
                return plain
    raise EncodingError
