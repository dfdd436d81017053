"""What runs leaf steps: one module a kind of step."""
