"""Values of mail: address, envelope, content, outcome, queue id. Immutable; imports nothing of ours.

Addresses are `str` in Postfix's *internal form*: the local part unquoted, bytes that are not UTF-8
kept as surrogate escapes. `address.external` gives the quoted form for the wire, for headers and for logs.
"""
