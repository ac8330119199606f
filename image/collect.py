#!/usr/bin/env python3
"""Collect what the image consists of: Python, the libraries that it loads, and the environment.

Called in the image's build stage: ``collect.py ENVIRONMENT PACKAGE TARGET``. Two roots are made in
TARGET: ``broker`` has the package of that name, ``python`` all the rest, which changes only when
Python or a dependency does. Both depend on nothing but what is collected: the same files make the
same layers.
"""

import compileall
import os
import py_compile
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

USER = 65532
EPOCH = 315532800
"""The time of every file, 1980: the first that archives of all kinds can express."""

# Of the standard library: what installs, tests, draws, or needs a terminal or a database.
UNWANTED = [
    *("__pycache__", "site-packages", "dist-packages", "config-*", "EXTERNALLY-MANAGED"),
    *("test", "tests", "_test*", "_ctypes_test*", "_xxtest*", "xxlimited*"),
    *("ensurepip", "venv", "distutils", "lib2to3", "pydoc_data", "idlelib"),
    *("tkinter", "_tkinter*", "turtle*", "turtledemo", "curses", "_curses*", "readline*"),
    *("sqlite3", "_sqlite3*", "dbm", "_dbm*", "_gdbm*", "nis*", "ossaudiodev*"),
]
LOADED_LATER = ["libgcc_s.so.1"]
"""What the C library opens by name when a thread ends."""
LINKER_CONFIGURATION = ["/etc/ld.so.conf", "/etc/ld.so.conf.d"]
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
CONFIGURATION = {
    "passwd": f"broker:x:{USER}:{USER}:broker:/tmp:/nonexistent\n",
    "group": f"broker:x:{USER}:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


class Collection:
    """A root that files of this system are put into, each at its own place."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        self._root = root
        self.taken: set[Path] = set()

    def at(self, path: Path) -> Path:
        """Return where ``path`` of this system is in the collection."""
        return self._root / path.relative_to("/")

    def take(self, path: Path) -> None:
        """Take a file, and what it links to; where its folder is a link, it goes to the target."""
        real = path.parent.resolve() / path.name
        if real in self.taken:
            return
        self.taken.add(real)
        if real.is_dir() and not real.is_symlink():
            self.at(real).mkdir(parents=True, exist_ok=True)
            return
        self.at(real.parent).mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(self.at(real)):
            shutil.copy2(real, self.at(real), follow_symlinks=False)
        if real.is_symlink():
            self.take(real.parent / real.readlink())

    def take_tree(self, path: Path, unwanted: Iterable[str] = ()) -> None:
        """Take a folder without what has one of the ``unwanted`` names."""
        left = shutil.ignore_patterns(*unwanted)
        shutil.copytree(path, self.at(path), symlinks=True, ignore=left, dirs_exist_ok=True)
        for link in filter(Path.is_symlink, self.at(path).rglob("*")):
            self.take(path / link.relative_to(self.at(path)))
        copied = filter(Path.is_file, self.at(path).rglob("*"))
        self.taken |= {Path("/", file.relative_to(self._root)) for file in copied}


def output(*command: str | Path) -> str:
    """Return what one of the system's tools prints; its complaints are dropped."""
    done = subprocess.run(  # noqa: S603  # the commands stand below
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    )
    return done.stdout


def libraries(binaries: Iterable[Path]) -> set[Path]:
    """Return the shared libraries that programs and modules load, the loader among them."""
    listed = output("ldd", *binaries)
    missing = sorted(set(re.findall(r"(\S+) => not found", listed)))
    if missing:
        sys.exit(f"collect.py: the base lacks {', '.join(missing)}")
    found = {Path(path) for path in re.findall(r"(/\S+) \(0x", listed)}
    libc = next(path for path in found if path.name == "libc.so.6")
    return found | {libc.with_name(name) for name in LOADED_LATER}


def take_python(collection: Collection, environment: Path) -> None:
    """Take interpreter, standard library and environment, with the libraries that they load."""
    for link in (Path("/bin"), Path("/lib"), Path("/lib64")):
        if link.is_symlink():
            collection.at(link).symlink_to(link.readlink())
    collection.take_tree(Path(sysconfig.get_path("stdlib")), UNWANTED)
    collection.take_tree(environment, ["include", "__pycache__", "tests"])
    for path in collection.at(environment / "bin").iterdir():
        if not wanted_script(path):
            path.unlink()
    modules = [path for path in collection.taken if ".so" in path.suffixes]
    for path in libraries([Path(sys.executable).resolve(), *modules]):
        collection.take(path)


def wanted_script(path: Path) -> bool:
    """Tell the environment's interpreter and the product's command from those of libraries."""
    return path.name == "broker" or re.fullmatch(r"python[0-9.]*", path.name) is not None


def take_configuration(collection: Collection) -> None:
    """Take what Python and the C library read: authorities, users, how to find names, libraries."""
    collection.take(AUTHORITIES)
    collection.take(Path("/etc/os-release"))
    trusted = collection.at(Path(ssl.get_default_verify_paths().openssl_cafile))
    if not os.path.lexists(trusted):
        trusted.parent.mkdir(parents=True, exist_ok=True)
        trusted.symlink_to(AUTHORITIES)
    for name, text in CONFIGURATION.items():
        collection.at(Path("/etc", name)).write_text(text)
    for folder in ("/dev", "/proc", "/sys", "/tmp"):  # noqa: S108  # the image's own
        collection.at(Path(folder)).mkdir()
    collection.at(Path("/tmp")).chmod(0o1777)  # noqa: S108  # as above


def write_linker_cache(root: Path) -> None:
    """Let the loader find libraries where this system's does."""
    for path in map(Path, LINKER_CONFIGURATION):
        copy = shutil.copytree if path.is_dir() else shutil.copy2
        copy(path, root / path.relative_to("/"))
    subprocess.run(["/sbin/ldconfig", "-r", root], check=True)  # noqa: S603  # the system's own tool
    shutil.rmtree(root / "var/cache/ldconfig", ignore_errors=True)


def take_packages(collection: Collection) -> None:
    """Write down which of the system's packages are in, for scanners, and their licences."""
    folder = collection.at(Path("/var/lib/dpkg/status.d"))
    folder.mkdir(parents=True)
    for name in sorted(owners(collection.taken)):
        (folder / name).write_text(output("dpkg-query", "--status", name))
        licence = Path("/usr/share/doc", name, "copyright")
        if licence.exists():
            collection.take(licence)


def owners(paths: Iterable[Path]) -> set[str]:
    """Return the packages that files belong to; some say /lib where the file is in /usr/lib."""
    named = [name for path in paths for name in (str(path), str(path).removeprefix("/usr"))]
    found = re.findall(
        r"^([a-z0-9.+-]+)(?::\S+)?: /", output("dpkg-query", "-S", *named), re.MULTILINE
    )
    return set(found)


def compile_all(collection: Collection, root: Path, *folders: Path) -> None:
    """Compile what Python would compile at each start, as it can write nothing in the image."""
    for folder in folders:
        done = compileall.compile_dir(
            collection.at(folder),
            quiet=1,
            stripdir=str(root),
            prependdir="/",
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        if not done:
            sys.exit(f"collect.py: {folder} could not be compiled")


def move_package(name: str, environment: Path, source: Path, target: Path) -> None:
    """Move the product out of ``source``: its package, what pip knows of it, its command."""
    command = source / environment.relative_to("/") / "bin" / name
    packages = next(source.glob(f"{environment.relative_to('/')}/lib/python*/site-packages"))
    about = next(p for p in packages.glob("*.dist-info/RECORD") if f"\n{name}/" in p.read_text())
    for path in (command, packages / name, about.parent):
        moved = target / path.relative_to(source)
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.rename(moved)


def settle(root: Path) -> None:
    """Give every file the same time, so that layers differ only where files do; no module runs."""
    for path in [*root.rglob("*"), root]:
        if path.suffix == ".py" and not path.is_symlink():
            path.chmod(0o644)
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def main() -> None:
    """Collect, compile, and part what changes often from what does not."""
    environment, package, target = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    root = target / "python"
    collection = Collection(root)
    take_python(collection, environment)
    take_configuration(collection)
    take_packages(collection)
    write_linker_cache(root)
    compile_all(collection, root, Path(sysconfig.get_path("stdlib")), environment)
    move_package(package, environment, root, target / "broker")
    settle(target)


if __name__ == "__main__":
    main()
