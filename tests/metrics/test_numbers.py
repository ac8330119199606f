"""What is written by ordinary calls is what prometheus-client reads and writes."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.mmap_dict import MmapedDict

from broker.metrics.numbers import NumbersFile, content

Library: Any = MmapedDict


def read(file: Path) -> dict[str, float]:
    """Return the numbers as the library reads them."""
    return {key: value for key, value, *_ in Library.read_all_values_from_file(str(file))}


@given(st.dictionaries(st.text(max_size=40), st.floats(allow_nan=False), max_size=300))
def test_a_whole_file(tmp_path_factory: pytest.TempPathFactory, numbers: dict[str, float]) -> None:
    """Whatever the keys; the library goes on in it."""
    file = tmp_path_factory.mktemp("numbers") / "total.db"
    file.write_bytes(content(numbers))
    assert read(file) == numbers
    mapped = Library(str(file), read_mode=True)
    assert {key: value for key, value, _ in mapped.read_all_values()} == numbers
    mapped.close()


def test_a_file_that_is_added_to(tmp_path: Path) -> None:
    """Each number where it is."""
    numbers = NumbersFile(tmp_path / "numbers.db")
    for amount in (1.0, 2.0, 3.0):
        numbers.add("one", amount)
        numbers.add("ü", 1.0)
    assert read(tmp_path / "numbers.db") == {"one": 6.0, "ü": 3.0}


def test_what_is_written_in_part_counts_as_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that becomes full in the middle of a number takes the beginning of it."""
    numbers = NumbersFile(tmp_path / "numbers.db")
    numbers.add("one", 1.0)
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, place: write(fd, data[:-1], place))
    with pytest.raises(OSError) as full:
        numbers.add("two", 1.0)
    assert full.value.errno == errno.ENOSPC
    assert read(tmp_path / "numbers.db") == {"one": 1.0}
    monkeypatch.undo()
    numbers.add("two", 2.0)
    assert read(tmp_path / "numbers.db") == {"one": 1.0, "two": 2.0}
