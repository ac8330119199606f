"""What ``make run`` starts: Valkey, the Canvas emulator and the broker, all on this machine."""
