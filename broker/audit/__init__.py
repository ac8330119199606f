"""The audit: one JSON line for each token served or refused, written beside the requests."""
