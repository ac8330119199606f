"""What each library costs in memory when it is imported: run in an interpreter of its own.

    python -m bench.imports

Prints one line of JSON: kilobytes of this process after each import, in this order. What several
libraries need is counted with the first one.
"""

import gc
import importlib
import json
from pathlib import Path

ORDER = (
    "json",
    "logging.config",
    "ssl",
    "flask",
    "gunicorn.app.base",
    "asyncio",
    "gunicorn.workers.base",
    "redis",
    "marshmallow",
    "apispec",
    "urllib3",
    "cryptography.hazmat.primitives.ciphers.aead",
    "jwt",
    "prometheus_client",
    "tenacity",
    "broker.web.server",
)
"""The last one is what the worker imports: all of the broker, and what is not named before it."""


def resident() -> int:
    """Return the kilobytes of this process's memory that are its own."""
    for line in Path("/proc/self/smaps_rollup").read_text("utf-8").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError("the kernel does not tell the memory of this process")


def main() -> None:
    """Import one after the other."""
    found = {"the interpreter": resident()}
    for name in ORDER:
        importlib.import_module(name)
        gc.collect()
        found[name] = resident()
    print(json.dumps(found))  # noqa: T201  # read by who started it


if __name__ == "__main__":
    main()
