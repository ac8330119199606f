"""Makes a picture of a page small: at most 256 colours, packed as tightly as it goes."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
ALIKE = 100
"""Squared distance below which two colours look the same."""
Colour = tuple[int, ...]


def slim(png: bytes) -> bytes:
    """Return ``png`` (8 bits, RGB) with few colours; the rarer become their likes."""
    chunks = list(_chunks(png))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    assert (depth, kind) == (8, 2), "Chromium writes RGB"
    raw = zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT"))
    rows = list(_rows(raw, 3 * width))
    colours = Counter(colour for row in rows for colour in _colours(row))
    palette = _palette(colours)
    index = {colour: _nearest(colour, palette) for colour in colours}
    pixels = b"".join(b"\0" + bytes(index[colour] for colour in _colours(row)) for row in rows)
    return SIGNATURE + b"".join(
        [
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes(part for colour in palette for part in colour)),
            _chunk(b"IDAT", zlib.compress(pixels, 9)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += length + 12


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _rows(raw: bytes, size: int) -> Iterator[bytes]:
    """Undo the filter of each row (PNG specification, section 9)."""
    above = bytes(size)
    for place in range(0, len(raw), size + 1):
        row = bytearray(raw[place + 1 : place + 1 + size])
        _unfilter(raw[place], row, above)
        yield bytes(row)
        above = bytes(row)


def _unfilter(kind: int, row: bytearray, above: bytes) -> None:
    for n in range(len(row) if kind else 0):
        left, corner = (row[n - 3], above[n - 3]) if n > 2 else (0, 0)
        guess = (0, left, above[n], (left + above[n]) // 2, 0)[kind]
        if kind == 4:
            guess = _paeth(left, above[n], corner)
        row[n] = (row[n] + guess) & 255


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda one: abs(guess - one))


def _colours(row: bytes) -> Iterator[Colour]:
    return zip(row[::3], row[1::3], row[2::3], strict=True)


def _palette(colours: Counter[Colour]) -> list[Colour]:
    """Return the most frequent colours that look different."""
    palette: list[Colour] = []
    for colour, _ in colours.most_common():
        if all(_distance(colour, other) > ALIKE for other in palette):
            palette.append(colour)
    return palette[:COLOURS]


def _nearest(colour: Colour, palette: list[Colour]) -> int:
    return min(range(len(palette)), key=lambda n: _distance(colour, palette[n]))


def _distance(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
