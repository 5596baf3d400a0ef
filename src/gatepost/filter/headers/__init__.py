"""The headers of a message as rules name them: `section.py` cuts them out, `view.py` answers for them."""
