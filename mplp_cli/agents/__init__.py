"""Agents: programs, functions and services that a workflow asks for content.

contract     the one boundary around every kind: what is asked, what comes back, what an adapter is
boundary     what happens around every call: turns, deadlines, schemas, repairs, fallbacks
deciding     the decisions of the boundary, without its waiting
asking       how a step of type `agent` asks
making       which adapter calls an agent; workshop: what those that run processes are handed
ladder       how a model is brought to answer with JSON
budget       what agents may spend, and have spent; amounts: what is counted
adapters     how the agents of each kind are called
"""
