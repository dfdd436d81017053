"""Cassettes: what agents were asked and have answered, written down and given again.

    cassette = read_cassette(path)                       # cassette.py; CassetteError has its problems, with places
    tape = Replay(cassette, strict=False)                # tape.py; answers in the place of agents
    tape = Recording(path, header)                       # writes PATH.partial, `close` moves it to PATH
    tape.knows(secrets, given)                           # what is never written, and the ids that are no ids of the run
    Around(carry=tape.carry, order=tape.order)           # `boundary.Around`: what happens around every call
    tape.unserved()                                      # of a replay: entries that nobody has asked for

`Runtime.tape` is the tape of a command; `assembly` puts it around the agents of the run and of its sub-workflows.
`carry(agent, request, call)` gives the recorded answer or raises the recorded error; without one it raises
AgentError `replay.miss`. It never makes the call in a replay, and no adapter is made then.
"""
