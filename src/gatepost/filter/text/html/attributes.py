"""The attributes of a tag."""

import re
from typing import Final

from gatepost.filter.text.html.entities import unescaped

_ATTRIBUTE: Final = re.compile(r"""([^\s=/>][^\s=>]*+)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s>]*+)))?|[\s=/]++""")
_MOST: Final = 200
"""Of one tag; nobody needs more."""


def attributes(text: str) -> dict[str, str]:
    """Values by name in lower case, references resolved; of several of a name the first."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):
        if match[1] is not None:
            name = match[1].lower()
            if name not in found:
                found[name] = unescaped(match[2] or match[3] or match[4] or "")
                if len(found) == _MOST:
                    break
    return found
