"""Real processes, a real Redis and the emulator, broken on purpose while callers keep asking."""
