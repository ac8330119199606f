"""A table or a key that a callers file names twice is told as such, with both lines."""

import pytest

from broker.files.callers import parse_callers

KEY = 'key_sha256 = "canary"'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            f"[callers.a]\n{KEY}\n\n[callers.b]\n[callers.a]\n{KEY}\n",
            "declares the table 'callers.a' twice (lines 1 and 5)",
        ),
        (
            f"[callers.a]\n{KEY}\n[ 'callers' . \"a\" ] # again",
            "declares the table 'callers.a' twice (lines 1 and 3)",
        ),
        (f"[callers.a]\n{KEY}\n{KEY}\n", "sets 'callers.a.key_sha256' twice (lines 2 and 3)"),
        (f"[callers.a]\n{KEY}\n{KEY}", "sets 'callers.a.key_sha256' twice (lines 2 and 3)"),
        (
            f'[callers.a]\n{KEY}\nkey_sha256 = [\n"canary",\n]\norganizations = ["*"]\n',
            "sets 'callers.a.key_sha256' twice (lines 2 and 3)",
        ),
        (f"[callers.a]\n{KEY}\n[callers]\na = {{}}\n", "sets 'callers.a' twice (lines 1 and 4)"),
        (
            f"[callers.{'a' * 200}]\n{KEY}\n[callers.{'a' * 200}]",
            f"declares the table 'callers.{'a' * 72}…' twice (lines 1 and 3)",
        ),
    ],
)
def test_twice(text: str, sentence: str) -> None:
    """Nothing of a value is shown."""
    callers, problems = parse_callers(text)
    assert (callers.callers, problems) == ((), [sentence])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"[callers.a]\n{KEY}\n[callers.b]\n{KEY} canary", "is not TOML (at line 4, column 23)"),
        ("= 1\n", "is not TOML (at line 1, column 1)"),
        ("[callers.a]\nb = [\n  1 1\n]\n", "is not TOML (at line 3, column 5)"),
    ],
)
def test_something_else(text: str, sentence: str) -> None:
    """The same key of another caller is no repetition."""
    assert parse_callers(text)[1] == [sentence]
