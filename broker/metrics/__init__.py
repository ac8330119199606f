"""Metrics: the catalogue of all there are, and their exposition to Prometheus."""
