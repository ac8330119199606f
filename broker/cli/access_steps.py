"""The step of ``broker check`` that looks at who else may read or change what only it should."""

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from broker.cli.local_steps import LIMIT, SETTINGS
from broker.cli.steps import Finding, Step, ok, warn
from broker.files.callers import files_of
from broker.files.credentials import CONSUMER_FILE, SECRET_KEY_FILE
from broker.redis_address import parse_redis_address
from broker.settings import Settings

_OTHERS = stat.S_IROTH | stat.S_IWOTH


def access_steps(settings: Settings) -> Iterator[Step]:
    """Yield the step."""
    yield Step("access", partial(_access, settings), LIMIT, (SETTINGS,))


def _access(settings: Settings) -> Finding:
    problems = [
        f"Every user of this machine may read or change {name}: take that away by chmod o=, "
        "or by chmod o-w of a folder above it."
        for name, path in _files(settings)
        if is_open_to_others(path)
    ]
    if os.geteuid() == 0:
        problems.append("This is root: give the broker a user of its own.")
    return warn(*problems) if problems else ok("Files of keys and callers are closed to others.")


def _files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield the files that others have no business with, each with the words for it."""
    if settings.credentials_dir is not None:
        for name in (CONSUMER_FILE, SECRET_KEY_FILE):
            for path in sorted(settings.credentials_dir.glob(f"*/{name}")):
                yield f"{path.parent.name}/{name} in BROKER_CREDENTIALS_DIR", path
    if settings.callers_file is not None:
        for path in files_of(settings.callers_file):
            own = path == settings.callers_file
            yield "BROKER_CALLERS_FILE" if own else f"{path.name} in BROKER_CALLERS_FILE", path
    if settings.tls_key_file is not None:
        yield "BROKER_TLS_KEY_FILE", settings.tls_key_file
    for name, path in settings.secret_files.items():
        yield f"{name}_FILE", path
    options = parse_redis_address(settings.redis_url.reveal()).tls or {}
    for option in ("ssl_keyfile", "ssl_certfile"):  # where the first is not set, both are in one
        if option in options:
            yield f"{option} of BROKER_REDIS_URL", Path(options[option])
            return


def is_open_to_others(path: Path) -> bool:
    """Tell whether who is neither its owner nor of its group may read, write or replace a file."""
    try:
        real = path.resolve()
        if _is_replaceable(path.absolute()) or _is_replaceable(real):
            return True
        reached = all(folder.stat().st_mode & stat.S_IXOTH for folder in real.parents)
        return reached and bool(real.stat().st_mode & _OTHERS)
    except OSError:
        return False  # another step tells of what cannot be seen


def _is_replaceable(path: Path) -> bool:
    """Tell whether others may put something else in the place of a file, a link or a folder."""
    for folder in reversed(path.parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            return False
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX and not _is_read_only(folder):
            return True
    return False


def _is_read_only(folder: Path) -> bool:
    """Tell whether nobody may, as in a mounted ConfigMap, whose folder has mode 0777."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
