"""Agents: programs, functions and services that a workflow asks for content.

contract     the one boundary around every kind: what is asked, what comes back, what an adapter is
ladder       how a model is brought to answer with JSON
budget       what agents may spend, and have spent
adapters     how the agents of each kind are called
"""
