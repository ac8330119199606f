import os

from bench.machine import Cores, Machine, model_of, on_cores, split


def test_each_worker_has_a_core_of_its_own() -> None:
    """The load has all the others."""
    four = frozenset({0, 1, 2, 3})
    assert split(four, 1) == Cores(frozenset({0}), frozenset({1, 2, 3}), shared=False)
    assert split(four, 2) == Cores(frozenset({0, 1}), frozenset({2, 3}), shared=False)


def test_too_few_cores_are_shared() -> None:
    """And it is told."""
    assert split(frozenset({3}), 1) == Cores(frozenset({3}), frozenset({3}), shared=True)
    assert split(frozenset({0, 1}), 2).shared


def test_pinning_ends_with_the_block() -> None:
    """Only what is started within stays on these cores."""
    before = os.sched_getaffinity(0)
    one = frozenset({min(before)})
    with on_cores(one):
        assert os.sched_getaffinity(0) == one
    assert os.sched_getaffinity(0) == before


def test_model_is_read_where_there_is_one() -> None:
    """Some kinds of processor are not named."""
    assert model_of("processor\t: 0\nmodel name\t: A Processor\n") == "A Processor"
    assert model_of("processor\t: 0\n")


def test_single_core_is_warned_of() -> None:
    """Beside the load average."""
    warnings = Machine("A Processor", 1, "Linux 6", "3.11.7", 2.0).warnings()
    assert [one.split()[1] for one in warnings] == ["load", "and"]
