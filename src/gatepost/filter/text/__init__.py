"""From the octets of a message to the text that rules see, as SpamAssassin extracts it.

`parts.py` takes the MIME structure apart and undoes transfer encodings (`transfer.py`). `rendering.py` makes paragraphs of the
parts: characters of all charsets as UTF-8 (`charsets.py`), HTML as a reader sees it, and the URIs of both.
"""
