"""Runs test cases: the engine as it is, in memory, on time that is skipped, with stand-ins for what is outside."""
