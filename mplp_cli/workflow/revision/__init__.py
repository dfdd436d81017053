"""A run once more, or with another definition: what is kept, what has changed, what comes too late."""
