from tests.node.outcomes import Failure, Outcome
from tests.node.rows import MOST_TOLD, Row, Rows, table

FAILURE = Failure(104.5, 0.25, "kept, by key", "response", "ECONNRESET", 3.0)


def test_a_row_tells_what_was_seen() -> None:
    """Requests, failures by kind, the slowest answer, the slowest pod, and the verdict."""
    good = Row("drain", Outcome(2100, 0.5), ready=[2.0, 3.25], machine_load=1.5)
    assert good.cells() == ["drain", "2100", "0", "0.50 s", "3.2 s", "1.5", "yes"]
    assert good.is_good
    bad = Row("drain", Outcome(2100, 0.5, [FAILURE]), problems=["one failed", "and so on"])
    assert bad.cells()[2] == "1: 1 ECONNRESET (response)"
    assert bad.cells()[-1] == "**no**: one failed; and so on"
    assert not bad.is_good


def test_what_no_load_was_on_has_empty_cells() -> None:
    """A zero would claim that something was asked."""
    assert Row("install", Outcome(), machine_load=0.0).cells() == [
        "install",
        "",
        "",
        "",
        "",
        "0.0",
        "yes",
    ]


def test_failures_are_told_with_the_time_since_the_event() -> None:
    """As many as help, and how many more there are."""
    row = Row("drain", Outcome(9, 0.5, [FAILURE]), notes=["a note"], began=100.0)
    assert row.details() == [
        "- a note",
        "- +4.5 s, kept, by key: ECONNRESET (response) after 0.25 s, idle for 3.0 s before",
    ]
    many = Row("drain", Outcome(99, 0.5, [FAILURE] * (MOST_TOLD + 2)), began=100.0)
    assert many.details()[-1] == "- and 2 more, the last at +4.5 s"


def test_a_report_is_a_table_and_what_is_to_be_said_of_its_rows() -> None:
    """It is good if every row is."""
    rows = Rows("today", [Row("one", Outcome()), Row("two", Outcome(), notes=["slow"])])
    lines = rows.markdown().splitlines()
    assert lines[0] == "today"
    assert lines[2].startswith("| scenario | requests |")
    assert lines[4].startswith("| one |")
    assert lines[-3:] == ["**two**", "", "- slow"]
    assert rows.is_good()
    rows.rows.append(Row("three", Outcome(), problems=["broken"]))
    assert not rows.is_good()


def test_a_cell_cannot_break_the_table() -> None:
    """What a program said may hold anything."""
    assert table(["a"], [["x|y\nz"]]).splitlines()[-1] == "| x/y z |"
