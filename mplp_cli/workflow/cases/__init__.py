"""Test cases of workflows: what they say, what is judged by them, what they have covered."""
