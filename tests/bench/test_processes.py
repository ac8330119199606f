import os
import time

from bench.processes import cpu_seconds, kilobytes, memory, ticks_of


def test_name_of_a_process_may_hold_anything() -> None:
    """Blanks and brackets included; user and system time are added up."""
    assert ticks_of("7 (a) b (c)) S 1 7 7 0 -1 0 0 0 0 0 30 12 0 0 20 0 1 0 1") == 42


def test_cpu_is_that_of_all_processes() -> None:
    """Working makes it grow."""
    before, until = cpu_seconds([os.getpid()]), time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert cpu_seconds([os.getpid()]) - before >= 0.03


def test_fields_of_memory_are_read_below_the_first_line() -> None:
    """That one is an address range."""
    rollup = "0-f ---p 0 0 [rollup]\nRss:    120 kB\nPss:     80 kB\n"
    assert kilobytes(rollup) == {"Rss": 120, "Pss": 80}


def test_memory_of_this_process() -> None:
    """Private is part of proportional, that of resident."""
    held = memory(os.getpid())
    assert 0 < held.private <= held.pss <= held.rss
    assert held.threads >= 1
