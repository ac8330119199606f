"""Files that the broker reads and re-reads: the credentials folder and the callers file."""
