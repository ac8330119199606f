"""What a node could change of the machine that it runs on, looked at before and after."""

from pathlib import Path

from tests.node.place import CGROUP, Place

SET_BY_KUBELET = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
"""Settings of the whole host; the node has files of its own in their place."""
SETTINGS = (*SET_BY_KUBELET, "net/ipv4/ip_forward", "net/netfilter/nf_conntrack_max")


def state(place: Place) -> dict[str, str]:
    """Return settings of the kernel, interfaces, and the node's mounts and control groups."""
    found = {name: read(Path("/proc/sys") / name) for name in SETTINGS}
    found["interfaces"] = " ".join(sorted(one.name for one in Path("/sys/class/net").iterdir()))
    lines = read(Path("/proc/mounts")).splitlines()
    found["mounts"] = " ".join(line.split()[1] for line in lines if str(place.folder) in line)
    groups = Path("/sys/fs/cgroup").glob(f"**/{CGROUP}")
    found["control groups"] = " ".join(sorted(str(one) for one in groups))
    return found


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return what differs, in words."""
    return [
        f"{name}: {before[name] or 'nothing'} before, {after[name] or 'nothing'} after"
        for name in before
        if before[name] != after[name]
    ]


def read(file: Path) -> str:
    """Return a file's text, or nothing where there is none."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""
