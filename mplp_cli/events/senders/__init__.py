"""What brings events to the targets of routes, one file for each kind."""
