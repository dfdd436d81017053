"""The command line: one command a file, thin. What a command does is in `runtime` and below."""
