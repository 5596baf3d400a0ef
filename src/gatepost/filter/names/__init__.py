"""Rules that ask the DNS: which names a message makes them ask for, how they are resolved, and which rules the answers hit.

`questions.py`: the values between scanner and worker. What rules ask, by plugin: `lists.py` (DNSEval), `uri_lists.py` (URIDNSBL),
`templates.py` (AskDNS), `hashes.py` (HashBL). `asking.py` gathers what a message makes them ask; `answering.py` resolves it.
"""
