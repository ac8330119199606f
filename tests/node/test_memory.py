from pathlib import Path

from tests.node.memory import figures, keys, many_secret
from tests.node.stage import merged


def test_the_working_set_leaves_out_what_can_be_dropped(tmp_path: Path) -> None:
    """As the kubelet reckons it: usage without the inactive part of cached files."""
    mebibyte = 1 << 20
    stat = {"total_rss": 40, "total_shmem": 2, "total_inactive_file": 7}
    lines = [f"{name} {value * mebibyte}\n" for name, value in stat.items()]
    (tmp_path / "memory.stat").write_text("".join(lines))
    (tmp_path / "memory.usage_in_bytes").write_text(f"{60 * mebibyte}\n")
    (tmp_path / "memory.max_usage_in_bytes").write_text(f"{80 * mebibyte}\n")
    assert figures(tmp_path) == ["60.0", "53.0", "40.0", "2.0", "80.0"]


def test_many_organizations_share_a_secret() -> None:
    """Each with keys of its own."""
    data = many_secret(["one", "two"])["data"]
    assert sorted(data) == ["one-consumer", "one-secret-key", "two-consumer", "two-secret-key"]
    assert len({keys(0), keys(1)}) == 2


def test_values_are_put_over_others_map_by_map() -> None:
    """What is no map is replaced, and what was given stays as it was."""
    values = {"redis": {"url": "a", "tls": {"caSecret": "b"}}, "replicas": 3}
    changed = {"redis": {"tls": {"caSecret": "c"}}, "replicas": 1}
    assert merged(values, changed) == {
        "redis": {"url": "a", "tls": {"caSecret": "c"}},
        "replicas": 1,
    }
    assert values["replicas"] == 3
