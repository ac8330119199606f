import pytest

from broker.failure_kinds import FailureKind, status_kind


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (500, "status_500"),
        (502, "status_502"),
        (504, "status_504"),
        (404, "status_404"),
        (101, "status_1xx"),
        (204, "status_2xx"),
        (302, "status_3xx"),
        (418, "status_4xx"),
        (599, "status_5xx"),
        (600, "status_other"),
        (999, "status_other"),
        (0, "status_other"),
    ],
)
def test_every_status_has_a_word(status: int, word: str) -> None:
    """A status becomes its own word where it has one, else that of its class."""
    assert status_kind(status) == word


def test_the_words_are_few() -> None:
    """No status, however odd, makes a new word: metrics keep a bounded number of series."""
    assert {status_kind(status) for status in range(1000)} <= set(FailureKind)
