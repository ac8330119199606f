import time
from collections.abc import Iterator

import pytest

from tests.cluster.report import FailedError, Report, expect, wait_for


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let time pass only while somebody sleeps."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    return iter(())


def test_each_step_is_a_line_with_its_seconds() -> None:
    """And so is the sum of all."""
    lines: list[str] = []
    told = Report(lines.append)
    with told.step("something happens"):
        time.sleep(2)
    told.total()
    assert lines == [
        "   2.0 s  ok      something happens",
        "   2.0 s  all 1 steps as they should",
    ]


def test_a_step_that_fails_says_so_and_ends_it() -> None:
    """The reason passes through."""
    lines: list[str] = []
    with pytest.raises(FailedError, match="the sky is green"), Report(lines.append).step("look"):
        expect(False, "the sky is green")
    assert lines == ["   0.0 s  FAILED  look"]


def test_waiting_is_bounded() -> None:
    """What is there instead is told, as it is at the end."""
    seen = iter(range(1000))
    with pytest.raises(FailedError, match=r"not within 5 s: at 5[01]"):
        wait_for(lambda: next(seen) < 0, lambda: f"at {next(seen) - 1}", limit=5)
    wait_for(lambda: next(seen) > 80, lambda: "never", limit=5)
