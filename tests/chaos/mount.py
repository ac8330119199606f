"""The credentials folder as Kubernetes mounts a Secret, and swaps it."""

import itertools
import shutil
from pathlib import Path

from tests.integration.deployment import Deployment

ORGANIZATION = "acme"
DATA = "..data"


class MountedDeployment(Deployment):
    """A deployment whose credentials folder is a mounted Secret with the paths ``acme/…``.

    Each version lies in a folder of its own; ``..data`` points at the one in force, and is replaced
    by one rename. What callers of the folder see (``acme``) leads through ``..data``.
    """

    _versions = itertools.count(1)

    def write_credentials(self, consumer: str, secret_key: str) -> None:
        """Swap in a new version, as the kubelet does; the old one's folder is then removed."""
        mount = self.credentials
        version = mount / f"..2026_01_01_00_00_00.{next(self._versions)}"
        folder = version / ORGANIZATION
        folder.mkdir(parents=True)
        (folder / "consumer").write_text(consumer)
        (folder / "secret-key").write_text(secret_key)
        data = mount / DATA
        old = data.resolve() if data.is_symlink() else None
        coming = mount / "..data_tmp"
        coming.symlink_to(version.name)
        coming.replace(data)
        visible = mount / ORGANIZATION
        if not visible.is_symlink():
            visible.symlink_to(Path(DATA) / ORGANIZATION)
        if old is not None:
            shutil.rmtree(old)
