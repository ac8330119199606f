"""The tests mirror the package; ``tests.servers`` and ``tests.fakes`` serve all of them."""
