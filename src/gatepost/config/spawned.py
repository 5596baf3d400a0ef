"""The attributes of a spawn(8) line of master.cf: `user=` and `argv=` with the command."""

from msgspec import Struct


class SpawnFault(LookupError):
    """A spawn line that cannot work; the text says why, in the words of spawn(8)."""


class SpawnAttributes(Struct, frozen=True):
    """`user`, `group`: names; the group may be empty."""

    argv: tuple[str, ...]
    user: str
    group: str = ""


def spawn_attributes(arguments: tuple[str, ...]) -> SpawnAttributes:
    """The attributes of a service from the arguments of its entry. Raises SpawnFault."""
    user = ""
    argv: tuple[str, ...] = ()
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "argv" and equals:
            argv = (value, *arguments[index + 1 :])
            break
        if name != "user" or not equals:
            raise SpawnFault(f"unknown attribute name: {argument}")
        user = value
    if not user:
        raise SpawnFault("missing user= command-line attribute")
    if not argv or not argv[0]:
        raise SpawnFault("missing argv= command-line attribute")
    name, _, group = user.partition(":")
    return SpawnAttributes(argv, name, group)
