"""Lists with braces, as main.cf parameters and in-line tables write them: `a, {b c} d:{e, f}`."""

from gatepost.mail.ascii_text import SPACE

_SEPARATORS = ", \t\r\n"


class BraceError(ValueError):
    """A brace without its partner, or text after the closing one."""


def split_list(text: str, separators: str = _SEPARATORS) -> list[str]:
    """The elements of `text`, separated by any of `separators`; text inside balanced braces is not split.

    An element whose braces never close runs to the end of the text.
    """
    elements: list[str] = []
    start, depth = -1, 0
    for index, character in enumerate(text):
        if depth == 0 and character in separators:
            if start >= 0:
                elements.append(text[start:index])
                start = -1
            continue
        if start < 0:
            start = index
        if character == "{":
            depth += 1
        elif character == "}" and depth:
            depth -= 1
    if start >= 0:
        elements.append(text[start:])
    return elements


def unbrace(text: str) -> str:
    """What is inside the outer braces of `text`, without surrounding white space. Raises BraceError."""
    depth = 0
    for index, character in enumerate(text):
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                if text[index + 1 :].strip(SPACE):
                    raise BraceError(f"syntax error after '}}' in \"{text}\"")
                return text[1:index].strip(SPACE)
    raise BraceError(f"missing '}}' in \"{text}\"")


def rules(name: str) -> list[str]:
    """The rules of an in-line pattern table, `{ {rule} {rule} }`. Raises BraceError."""
    found = []
    for element in split_list(unbrace(name)):
        if not element.startswith("{"):
            raise BraceError(f"no '{{' at start of text in \"{element}\"")
        found.append(unbrace(element))
    return found
