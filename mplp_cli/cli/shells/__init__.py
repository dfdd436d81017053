"""Completion scripts, made from the application's own commands; one module a shell, one function each."""
