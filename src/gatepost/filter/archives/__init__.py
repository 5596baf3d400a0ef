"""Attachments: types by content, and what archives hold, found within hard limits, from memory and without files.

`listing.py` looks into a message (in the scanner); `banned.py` asks tables about names and types (in the worker).
"""
