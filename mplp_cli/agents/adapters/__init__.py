"""One file for each kind of agent: how it is called."""
