"""One file per module of the protocol; they know nothing of one another."""
