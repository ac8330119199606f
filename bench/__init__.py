"""Measurements of what runs: each module prints a table; the figures are in docs/performance.md."""
