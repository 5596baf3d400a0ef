"""The scanner process: it reads the rules, seals itself off from files, network and processes, and then turns messages into facts,
one connection at a time (docs/decisions/0049). `process.py` is its life, `client.py` the worker's end."""
