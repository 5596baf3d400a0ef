"""The text of lists of recipients: members of an alias, lines of a .forward file or an :include: list (aliases(5))."""

from gatepost.mail.header_address import addresses, internal, parse

ALIAS, FORWARD, INCLUDE = "alias", "forward", "include"
"""What listed a recipient: the words of allow_mail_to_commands and allow_mail_to_files."""


def members(text: str) -> list[str]:
    """The recipients that a text lists, in internal form."""
    return [internal(token.parts) for token in addresses(parse(text))]


def words(data: bytes) -> list[str]:
    """The recipients that a file lists; a line that begins with `#` is a comment."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return [word for line in lines if line and not line.startswith("#") for word in members(line)]


def included(word: str) -> str | None:
    """The path of `:include:path`; None for any other recipient."""
    return word[9:].strip() if word[:9].lower() == ":include:" else None
