"""Runs as documents of the protocol, for others to read, and the check of such documents.

moments      what happened in a run: facts and new versions of objects, in one order
graph        what of an object is a node or an edge
families     the events of the protocol's families
profiles     the events of the protocol's profiles, for one agent and for several
stream       all of them, as `events.ndjson`
bundle       the files of an export
writing      a directory, whole or not at all
documents    what a file holds
rules        what the invariants say of a document
invariants   the invariants, by id
verifying    everything that is wrong with an export or with files
"""
