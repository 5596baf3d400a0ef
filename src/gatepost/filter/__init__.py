"""The content filter: what a message is made of, which rules it hits, and what becomes of it.

Scan, resolve, judge. The scanner, a process without files and network, turns octets into facts (`examination.py` and the rooms
that it asks: `text/`, `relays/`, `evals/`, `match/`, `bayes/`, `learner/`, `archives/`). The worker resolves the names that rules
ask for (`names/`) and asks clamd (`antivirus/`). `verdict.py`, a pure function, says what becomes of the message. The rules are
those of SpamAssassin (`rules/`).
"""
