"""Agents: programs, functions and services that a workflow asks for content.

contract     the one boundary around every kind: what is asked, what comes back, what an adapter is
"""
