"""What messages contain: checks, edits and transforms of headers and bodies, over the one walk of `mail/mime.py`."""
