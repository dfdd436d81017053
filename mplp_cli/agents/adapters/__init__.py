"""How the agents of each kind are called.

http         a service that is sent JSON and answers with JSON
openai       a model behind an endpoint for chat completions
completions  what such an endpoint answers, whole or in pieces
wire         requests to services and their answers, within bounds
"""
