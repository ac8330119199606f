from pathlib import Path

from tests.node.host import changes, state
from tests.node.place import Place


def test_what_is_as_before_is_not_told() -> None:
    """And the rest is told with both sides."""
    before = {"vm/overcommit_memory": "0", "mounts": ""}
    assert changes(before, dict(before)) == []
    assert changes(before, {"vm/overcommit_memory": "1", "mounts": "/x"}) == [
        "vm/overcommit_memory: 0 before, 1 after",
        "mounts: nothing before, /x after",
    ]


def test_a_machine_can_be_looked_at(tmp_path: Path) -> None:
    """Without a node there is nothing of one."""
    found = state(Place(tmp_path, tmp_path))
    assert found["vm/overcommit_memory"]
    assert "lo" in found["interfaces"].split()
    assert found["mounts"] == ""
