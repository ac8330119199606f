"""The mounted Secret is laid out, and swapped, as Kubernetes does it."""

from pathlib import Path

from broker.credentials import Credentials
from broker.files.credentials import read_credentials
from broker.secret import Secret
from tests.chaos.mount import DATA, ORGANIZATION, MountedDeployment
from tests.chaos.stage import KEYS


def test_swap(tmp_path: Path) -> None:
    """The broker reads one pair, then the other; what it opens is all links through ``..data``."""
    deployment = MountedDeployment.__new__(MountedDeployment)
    deployment.credentials = tmp_path
    versions = []
    for consumer, secret_key in (*KEYS, KEYS[0]):
        deployment.write_credentials(consumer, secret_key)
        found = read_credentials(tmp_path)
        keys = Credentials(Secret(consumer), Secret(secret_key))
        assert (dict(found.organizations), found.problems) == ({ORGANIZATION: keys}, ())
        versions.append((tmp_path / DATA).readlink())
    assert len(set(versions)) == 3
    assert (tmp_path / ORGANIZATION).readlink() == Path(DATA) / ORGANIZATION
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {DATA, ORGANIZATION, versions[-1].name}
