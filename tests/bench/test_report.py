import json

from bench.machine import Machine
from bench.report import Finding, Target, as_json, at_least, at_most, markdown, table
from bench.stats import Spread

MACHINE = Machine("A Processor", 2, "Linux 6", "3.11.7", 0.1)
FINDING = Finding(
    "speed",
    "Speed",
    ("", "requests/s"),
    [["bare", "100"]],
    [Target("GET / bare", "0.95", ">= 0.9", reached=True)],
    ["Said of it."],
    {"bare": [100.0]},
)


def test_table_is_markdown() -> None:
    """Headings, the line that makes it a table, rows."""
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_targets_come_first_and_in_one_table() -> None:
    """Then each part's own table, with what must be said of it."""
    text = markdown(MACHINE, "How.", [FINDING, FINDING])
    assert text.index("| GET / bare | >= 0.9 | 0.95 | yes |") < text.index("### Speed")
    assert text.count("| what | to reach | measured | reached |") == 1
    assert text.count("| bare | 100 |\n\nSaid of it.") == 2


def test_machine_is_told_with_the_load_on_it() -> None:
    """Nobody is to take the figures of a busy machine for those of a quiet one."""
    quiet = markdown(MACHINE, "How.", [FINDING])
    busy = markdown(Machine("A Processor", 2, "Linux 6", "3.11.7", 3.2), "How.", [FINDING])
    assert "A Processor, 2 cores" in quiet
    assert "load average was" not in quiet
    assert "The load average was 3.20 at the start" in busy


def test_limits_are_judged_by_the_median() -> None:
    """The ends are shown beside it."""
    spread = Spread(0.9, 0.7, 1.0)
    assert at_least("x", spread, 0.9) == Target("x", "0.90 (0.70-1.00)", ">= 0.9", reached=True)
    assert at_most("x", spread, 0.8, "s").row() == [
        "x",
        "<= 0.8 s",
        "0.90 (0.70-1.00) s",
        "**no**",
    ]


def test_quick_figures_are_not_judged() -> None:
    """What was measured in passing neither reaches nor misses anything."""
    assert FINDING.unjudged().targets[0].row()[-1] == "not judged"


def test_json_has_the_raw_figures() -> None:
    """It can be written and read."""
    read = json.loads(json.dumps(as_json(MACHINE, "How.", [FINDING])))
    assert read["machine"]["cores"] == 2
    assert read["findings"][0]["figures"] == {"bare": [100.0]}
    assert read["findings"][0]["targets"][0]["reached"] is True
