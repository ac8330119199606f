"""Measurements of what runs: ``python -m bench``; the figures are in docs/performance.md."""
