"""The emulator's organizations come from the broker's own folder layout, or are made up."""

from pathlib import Path

import pytest

from broker.credentials import CONSUMER, SECRET_KEY
from broker.emulator.keys import KeysError, make_up, read_folder


def _organization(folder: Path, name: str, consumer: str, secret_key: str) -> None:
    (folder / name).mkdir()
    (folder / name / "consumer").write_text(consumer)
    (folder / name / "secret-key").write_text(secret_key)


def test_made_up_keys_have_the_documented_shapes() -> None:
    """So the broker takes them; no two are the same."""
    consumer, secret_key = make_up()
    assert CONSUMER.fullmatch(consumer)
    assert SECRET_KEY.fullmatch(secret_key)
    assert make_up() != (consumer, secret_key)


def test_a_folder_holds_one_folder_per_organization(tmp_path: Path) -> None:
    """White space at the end is cut; hidden folders and files beside them do not count."""
    _organization(tmp_path, "acme", "c1\n", " s1\n")
    _organization(tmp_path, "globex", "c2", "s2")
    (tmp_path / "..data").mkdir()
    (tmp_path / "README").write_text("x")
    assert read_folder(tmp_path) == {"acme": ("c1", "s1"), "globex": ("c2", "s2")}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the reason."""
    (tmp_path / "acme").mkdir()
    with pytest.raises(KeysError, match=r"acme/consumer: No such file"):
        read_folder(tmp_path)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    """An empty key would let everybody in."""
    _organization(tmp_path, "acme", "c1", "\n")
    with pytest.raises(KeysError, match=r"secret-key is empty"):
        read_folder(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """There would be nobody to answer to."""
    with pytest.raises(KeysError, match="no folder of an organization"):
        read_folder(tmp_path)


def test_two_organizations_cannot_share_a_consumer(tmp_path: Path) -> None:
    """Canvas knows an organization by its Consumer; the key itself is not shown."""
    _organization(tmp_path, "acme", "c1", "s1")
    _organization(tmp_path, "globex", "c1", "s2")
    with pytest.raises(KeysError, match="the same Consumer") as caught:
        read_folder(tmp_path)
    assert "c1" not in str(caught.value)
