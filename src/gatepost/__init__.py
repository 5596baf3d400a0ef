"""Gatepost: a mail gateway and transfer agent that reads Postfix's own configuration.

The rooms, from the ground up: `mail` (values), `proto` and `config` (bytes and text in, values out),
`lookup`, `net`, `state` and `events` (asking and telling), `policy` and `routing` (decisions),
`receive`, `queue` and `deliver` (the life of a message), `service` (processes and wiring), `cli`.
A room imports only from floors below its own. docs/flow.md follows one message through them.
"""

__version__ = "0.1.0"
