"""``python wrong_clock.py SECONDS serve``: the broker on a host whose clock is off by SECONDS.

Everything in Python that asks for the time of day gets the shifted one; the monotonic clock stays.
"""

import sys
import time

_wall = time.time


def shift(seconds: float) -> None:
    """Put this process's time of day ``seconds`` ahead."""
    time.time = lambda: _wall() + seconds


if __name__ == "__main__":
    shift(float(sys.argv.pop(1)))
    from broker.cli import main

    main()
