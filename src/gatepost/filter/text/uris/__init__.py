"""The URIs of a message: those of its HTML, and what mail programs make links of in text.

`finding.py` looks for them in text, `cleaning.py` gives the forms that an obfuscated one stands for, `domains.py` says which hosts
there are and who has them registered, `gathering.py` puts all of a message together.
"""
