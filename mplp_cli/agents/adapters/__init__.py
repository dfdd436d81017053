"""How the agents of each kind are called.

python       a function, in a process of its own
command      a program
mock         a script of answers
http         a service that is sent JSON and answers with JSON
openai       a model behind an endpoint for chat completions
completions  what such an endpoint answers, whole or in pieces
mcp          the tools of a server
a2a          a remote agent that makes a task of a request
given        what an agent is given of a request
wire         requests to services and their answers, within bounds
"""
