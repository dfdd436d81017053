"""A run as a fold: the facts, the commands, the state, and what each fact means."""
