"""What docs/clients.md shows is what the tests run."""

import re

import pytest

from tests.clients import page


@pytest.mark.parametrize("language", page.SAMPLES)
def test_shows_the_samples(language: str) -> None:
    """Each whole, and no code that nobody has run."""
    samples = [page.published(path) for path in page.SAMPLES[language]]
    assert samples
    assert sorted(page.blocks(language)) == sorted(samples)


def test_every_block_is_of_a_known_language() -> None:
    """So that none escapes the tests."""
    fences = re.findall(r"^```(\w*)$", page.text(), re.MULTILINE)
    assert set(fences) == {*page.SAMPLES, "sh", "yaml", ""}


def test_the_pods_token_is_where_the_samples_look() -> None:
    """The volume, its mount and the variable agree."""
    (pod,) = page.blocks("yaml")
    folder = re.findall(r"mountPath: (\S+)", pod)
    file = re.findall(r"path: (\S+)", pod)
    assert f'value: "{folder[0]}/{file[0]}"' in pod
    assert len(set(re.findall(r"name: (canvas-\S+)", pod))) == 1
    assert "audience:" in pod
