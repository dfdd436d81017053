"""What the participants of a collaboration do, and what its events say of it.

people     who takes part
turns      whose turn it is
working    turns, broadcasts, tasks
settling   decisions with their votes, conflicts
"""
