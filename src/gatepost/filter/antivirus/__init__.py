"""Viruses: a message is shown to clamd, over its socket, and what it says becomes a value. `port.py` is what the gate asks."""
