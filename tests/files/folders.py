"""Credentials folders as operators and as Kubernetes make them."""

from pathlib import Path

from broker.credentials import Credentials
from broker.secret import Secret


def keys(digit: str) -> Credentials:
    """Return the made-up keys of a one-digit version."""
    return Credentials(Secret(digit * 64), Secret(f"{digit * 8}-0000-4000-8000-{digit * 12}"))


def write(folder: Path, credentials: Credentials) -> None:
    """Write both keys of an organization in place."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "consumer").write_text(f"{credentials.consumer.reveal()}\n")
    (folder / "secret-key").write_text(f" {credentials.secret_key.reveal()} \n")


class Mount:
    """A projected volume of Kubernetes: ``..data`` points to the folder of the present version."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._version = 0
        root.mkdir()

    def swap(self, organizations: dict[str, Credentials]) -> None:
        """Put a whole new version in place by one rename, then drop the old one."""
        self._version += 1
        old = (self.root / "..data").resolve()
        new = self.root / f"..2024_01_01_{self._version}"
        for name, credentials in organizations.items():
            write(new / name, credentials)
        link = self.root / "..data_tmp"
        link.symlink_to(new.name)
        link.replace(self.root / "..data")
        self._link(organizations)
        self._drop(old)

    def _link(self, organizations: dict[str, Credentials]) -> None:
        for name in organizations:
            if not (self.root / name).exists():
                self.link(name)

    def link(self, name: str) -> None:
        """Show an organization: here its folder is a link."""
        (self.root / name).symlink_to(f"..data/{name}")

    def _drop(self, old: Path) -> None:
        if old.name == "..data":
            return
        for file in old.rglob("*/*"):
            file.unlink()
        for folder in old.iterdir():
            folder.rmdir()
        old.rmdir()


class MountOfFiles(Mount):
    """The other layout: real folders that hold links to the files."""

    def link(self, name: str) -> None:
        """Show an organization: here its files are links."""
        (self.root / name).mkdir()
        for file in ("consumer", "secret-key"):
            (self.root / name / file).symlink_to(f"../..data/{name}/{file}")
