"""Keeping debuggers, core dumps and processes of the same user out of this process."""

import ctypes
import os
import resource
import sys

from broker.errors import SettingsError

_PR_SET_DUMPABLE = 4


def forbid_debugging() -> None:
    """Let nobody but root read this process's memory and environment, and nothing dump it.

    It holds for what is forked from here on, and ends with an ``exec``. Raises
    :class:`~broker.errors.SettingsError` where the kernel refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    no = ctypes.c_ulong(0)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, no, no, no, no):
        reason = os.strerror(ctypes.get_errno())
        raise SettingsError(
            [f"BROKER_ALLOW_DEBUGGING must be true here: debuggers cannot be kept out ({reason})"]
        )
