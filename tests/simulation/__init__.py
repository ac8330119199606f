"""The real policy under a virtual clock: many processes, every fault, each invariant at each step.

:mod:`~tests.simulation.scheduler` runs tasks one at a time in virtual time; the same seed gives
the same run. :mod:`~tests.simulation.world` builds hosts, Redis and Canvas from the product's own
parts. :mod:`~tests.simulation.invariants` watches.
"""
