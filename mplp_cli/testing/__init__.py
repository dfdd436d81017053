"""Runs test cases: the engine as it is, in memory, on time that passes by itself, with stand-ins for what is outside."""
