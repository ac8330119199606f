"""The load by ``wrk``, where it is installed: it takes less of a core than anything in Python."""

import json
import subprocess
from pathlib import Path
from typing import Any

from bench.load import Outcome
from bench.machine import on_cores

_MARK = "RESULT "
_MICRO = 1e-6
_PATIENCE = 30.0
SCRIPT = r"""
local requests, n = {}, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for one in file:read("*a"):gmatch("([^%z]+)") do requests[#requests + 1] = one end
  file:close()
end

function request()
  n = n % #requests + 1
  return requests[n]
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format('\nRESULT {"duration": %d, "requests": %d, ',
    summary.duration, summary.requests))
  io.write(string.format('"p50": %d, "p99": %d, "slowest": %d, ',
    latency:percentile(50), latency:percentile(99), latency.max))
  io.write(string.format(
    '"errors": {"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}}\n',
    e.connect, e.read, e.write, e.timeout, e.status))
end
"""
"""Sends the requests of a file, parted by zero bytes, in turn; prints one line of JSON."""


class WrkLoad:
    """Runs ``wrk`` anew for each run, with a script that rotates the requests."""

    def __init__(self, binary: str, cores: frozenset[int], threads: int, folder: Path) -> None:
        self._binary = binary
        self._cores = cores
        self._threads = threads
        self._script = folder / "requests.lua"
        self._requests = folder / "requests.bin"
        self._script.write_text(SCRIPT, "utf-8")

    @property
    def name(self) -> str:
        """Say what it is."""
        return f"wrk, {self._threads} thread(s)"

    def run(self, port: int, requests: list[bytes], connections: int, seconds: float) -> Outcome:
        """Send the requests in turn for so many whole seconds, at least one."""
        self._requests.write_bytes(b"\0".join(requests))
        whole = max(1, round(seconds))
        command = [self._binary, f"-t{self._threads}", f"-c{connections}", f"-d{whole}s"]
        command += ["-s", str(self._script), f"http://127.0.0.1:{port}", str(self._requests)]
        with on_cores(self._cores):
            done = subprocess.run(  # noqa: S603  # the program on PATH, on files of our own
                command, capture_output=True, text=True, timeout=whole + _PATIENCE, check=True
            )
        return outcome(done.stdout)


def outcome(printed: str) -> Outcome:
    """Read what the script prints; raises ``ValueError`` where it is not there."""
    _, mark, line = printed.rpartition(_MARK)
    if not mark:
        raise ValueError("wrk printed no result")
    got: dict[str, Any] = json.loads(line.splitlines()[0])
    return Outcome(
        rate=got["requests"] / (got["duration"] * _MICRO),
        p50=got["p50"] * _MICRO,
        p99=got["p99"] * _MICRO,
        slowest=got["slowest"] * _MICRO,
        completed=got["requests"],
        failures={what: count for what, count in got["errors"].items() if count},
    )
