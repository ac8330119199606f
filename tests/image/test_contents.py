"""What is in the image, and what is not."""

import re
import stat
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from broker import __version__
from tests.image.built import ROOT, Image, sources

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

INTERPRETER = re.compile(r"/(?:usr/bin|usr/local/bin|opt/broker/bin)/python[0-9.]*")
LIBRARY = re.compile(
    r"(?:/usr|/usr/local|/opt/broker)/lib.*\.so(?:\.[0-9.]+)?|/usr/lib64/ld-linux.*"
)
PYTHON = re.compile(r"(?:/usr|/usr/local|/opt/broker)/lib/python3[0-9.]*/.*")
CONFIGURATION = re.compile(
    r"/etc/(?:passwd|group|nsswitch\.conf|ld\.so\.(?:cache|conf|conf\.d/[^/]+))"
    r"|/etc/ssl/certs/ca-certificates\.crt|/usr/lib/ssl/cert\.pem|(?:/etc|/usr/lib)/os-release"
    r"|/etc/python3\.\d+/sitecustomize\.py|/opt/broker/(?:pyvenv\.cfg|bin/broker)"
    r"|/usr/share/doc/[^/]+/copyright|/var/lib/dpkg/status\.d/[^/]+"
)
KNOWN = (INTERPRETER, LIBRARY, PYTHON, CONFIGURATION)
COMMAND = Path("/opt/broker/bin/broker")
UNWANTED = {"pip", "setuptools", "wheel", "flit_core", "ensurepip", "test", "tests", "pytest"}


def test_nothing_but_python_and_the_environment(image: Image) -> None:
    """Each file is Python's, a library, or one of a few that these read or scanners look for."""
    strange = [
        path for path in image.files if not any(known.fullmatch(str(path)) for known in KNOWN)
    ]
    assert strange == []


def is_program(image: Image, path: Path) -> bool:
    """Tell whether a file, not a link or a library, may be executed."""
    mode = image.root.joinpath(path.relative_to("/")).lstat().st_mode
    return stat.S_ISREG(mode) and bool(mode & 0o111) and not LIBRARY.fullmatch(str(path))


def test_only_python_and_the_broker_can_be_run(image: Image) -> None:
    """There is no shell, no compiler, no package manager: nothing else is executable."""
    programs = {path for path in image.files if is_program(image, path)} - {COMMAND}
    assert len(programs) == 1
    assert INTERPRETER.fullmatch(str(programs.pop()))


def test_only_the_locked_distributions_are_installed(image: Image) -> None:
    """Those of the product's lock, at their versions, and the product: none for development."""
    about = (image.root / "opt/broker/pyvenv.cfg").read_text()
    (version,) = re.findall(r"^version = (\S+)$", about, re.MULTILINE)
    place = {"python_full_version": version, "python_version": version.rpartition(".")[0]}
    lines = re.findall(r"^(\S+==[^\\\n]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    locked = [Requirement(line.strip()) for line in lines]
    wanted = {
        (canonicalize_name(one.name), str(one.specifier).removeprefix("=="))
        for one in locked
        if one.marker is None or one.marker.evaluate(place)
    }
    found = distributions(path=[str(image.packages)])
    installed = {(canonicalize_name(one.name), one.version) for one in found}
    assert installed == wanted | {("canvas-token-broker", __version__)}


def test_nothing_that_installs_or_tests(image: Image) -> None:
    """No folder of such a name is in it, neither of the environment nor of Python."""
    folders = {part for path in image.files for part in path.parent.parts}
    assert folders & UNWANTED == set()


def test_the_package_is_whole(image: Image) -> None:
    """Lua scripts and the page are in, and each module is as it is here."""
    inside = sources(image.packages / "broker")
    assert inside == sources(ROOT / "broker")
    assert {"store/lua/commit.lua", "web/page/page.html", "py.typed"} <= inside.keys()


def test_every_module_is_compiled(image: Image) -> None:
    """Python could not write it down in a container, and would compile at each start."""
    paths = set(image.files)
    modules = [path for path in paths if path.suffix == ".py" and PYTHON.match(str(path))]
    compiled = {
        path.parent.parent / path.name.split(".")[0] for path in paths if path.suffix == ".pyc"
    }
    assert [path for path in modules if path.with_suffix("") not in compiled] == []


def test_nothing_can_be_written_or_gives_rights(image: Image) -> None:
    """All is root's, ``/tmp`` alone is for everybody, and no program runs as its owner."""
    open_to_all, privileged, not_roots = set(), set(), set()
    for path in [image.root, *image.root.rglob("*")]:
        about = path.lstat()
        if about.st_mode & stat.S_IWOTH and not path.is_symlink():
            open_to_all.add(path.relative_to(image.root))
        if about.st_mode & (stat.S_ISUID | stat.S_ISGID):
            privileged.add(path)
        if (about.st_uid, about.st_gid) != (0, 0):
            not_roots.add(path)
    assert (open_to_all, privileged, not_roots) == ({Path("tmp")}, set(), set())
    assert list((image.root / "tmp").iterdir()) == []


def test_scanners_see_the_packages(image: Image) -> None:
    """What came from Debian is written down where scanners look, and so are the licences."""
    folder = image.root / "var/lib/dpkg/status.d"
    for name in ("libc6", "libssl3"):
        assert re.search(r"^Version: \S+", (folder / name).read_text(), re.MULTILINE)
    licensed = {path.parent.name for path in image.root.glob("usr/share/doc/*/copyright")}
    assert "libc6" in licensed
