"""The broker: keeps one good token per organization. Knows no framework and no adapter.

Read it in this order: :mod:`~broker.policy.organization` (what one process knows),
:mod:`~broker.policy.flight` (one look at Redis and, where due, one attempt),
:mod:`~broker.policy.holder` (what is done under the lease), :mod:`~broker.policy.flights` (who
waits for it), :mod:`~broker.policy.schedule` (when), :mod:`~broker.policy.broker` (what a caller
gets).
"""
