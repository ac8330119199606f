"""The shared record of each organization: lease, burn mark, commit and backoff, on Redis."""
