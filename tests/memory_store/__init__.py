"""The record store and the permits of calls in memory, held to the same contract as Redis."""
