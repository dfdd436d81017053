"""The protocol's modules: typed operations that read and write MPLP objects, and the hub that calls them.

contract     what an operation and a module are
shapes       the values that several modules share
parameters   what is wrong with the parameters of a call
lookup       names to modules and operations, with did-you-mean
schemas      the bundled JSON Schemas of the objects
objects      the newest version of every object, read on first use
session      what one operation may do
records      how objects are made, changed and moved from status to status
invocation   what an extension does when it is invoked
topology     ways through a network
traffic      messages through a network, and services in it
catalogue    the modules of this version; checks for `mplp validate`
hub          calls
builtin/     one file per module
"""
