"""Looking at the system: whether its parts can do their work."""
