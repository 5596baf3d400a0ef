"""HTML as a reader sees it, and what is remarkable in how it is written.

`tokens.py` cuts it into tags and text, `attributes.py` reads a tag, `looks.py` says what text looks like (`colours.py`), `page.py`
goes along it all and renders.
"""
