"""The parameters of milters, and the filters that a list names: `inet:host:port, { unix:path, default_action=accept }`."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct, structs

from gatepost.admission.port import FailureAction
from gatepost.config.ports import known_ports
from gatepost.config.values import seconds, split
from gatepost.mail.ascii_text import SPACE
from gatepost.net.server_address import Server, parse


class MilterSettings(Struct, frozen=True):
    """Times in seconds, sizes in octets; the rest as written in main.cf."""

    milter_connect_timeout: int
    milter_command_timeout: int
    milter_content_timeout: int
    milter_default_action: str
    milter_protocol: str
    milter_connect_macros: str
    milter_helo_macros: str
    milter_mail_macros: str
    milter_rcpt_macros: str
    milter_data_macros: str
    milter_unknown_command_macros: str
    milter_end_of_header_macros: str
    milter_end_of_data_macros: str
    milter_macro_daemon_name: str
    milter_macro_defaults: str
    milter_macro_v: str
    milter_header_checks: str
    myhostname: str
    message_size_limit: int
    helper_failure_limit: int
    helper_probe_interval: int
    queue_directory: str
    known_tcp_ports: str


class Protocol(Struct, frozen=True):
    """milter_protocol. `version`; `silent_headers`: the filter does not answer single headers (no_header_reply)."""

    version: int
    silent_headers: bool = False


class MilterOptions(Struct, frozen=True, kw_only=True):
    """How one filter is asked: milter_*, or what its `{...}` form says instead. Times in seconds."""

    connect_timeout: int
    command_timeout: int
    content_timeout: int
    default_action: FailureAction
    protocol: Protocol


class NamedMilter(Struct, frozen=True):
    """A filter of a list. `name`: as it is written, for the log."""

    name: str
    server: Server
    options: MilterOptions


DISABLE: Final = "DISABLE"
"""Of smtpd_milter_maps: no filters for this client."""

ACTIONS: Final = {action.value: action for action in FailureAction if action is not FailureAction.HOLD}
VERSIONS: Final = ("2", "3", "4", "6")


def default_action(text: str) -> FailureAction:
    """milter_default_action. Raises ValueError."""
    try:
        return ACTIONS[text.lower()]
    except KeyError:
        raise ValueError(f'unrecognized default action "{text}": use one of {", ".join(ACTIONS)}') from None


def protocol(text: str) -> Protocol:
    """milter_protocol: a version, and `no_header_reply`. Raises ValueError."""
    words = split(text)
    versions = [word for word in words if word in VERSIONS]
    if len(versions) != 1 or any(word not in VERSIONS and word.lower() != "no_header_reply" for word in words):
        raise ValueError(f'unrecognized protocol "{text}": use one of {", ".join(VERSIONS)}, and no_header_reply at most')
    return Protocol(int(versions[0]), silent_headers=len(words) > 1)


def _time(text: str) -> int:
    if not (value := seconds(text)):
        raise ValueError(f'bad time "{text}": it must be more than 0')
    return value


_OPTIONS: Final[Mapping[str, Callable[[str], object]]] = {
    "connect_timeout": _time,
    "command_timeout": _time,
    "content_timeout": _time,
    "default_action": default_action,
    "protocol": protocol,
}


def options_of(settings: MilterSettings) -> MilterOptions:
    """The options that the parameters give. Raises ValueError."""
    return MilterOptions(
        connect_timeout=settings.milter_connect_timeout,
        command_timeout=settings.milter_command_timeout,
        content_timeout=settings.milter_content_timeout,
        default_action=default_action(settings.milter_default_action),
        protocol=protocol(settings.milter_protocol),
    )


def named_milters(text: str, settings: MilterSettings) -> tuple[NamedMilter, ...]:
    """The filters of a list, in order. Raises ValueError, which says what is wrong with it."""
    return tuple(_named(element, settings) for element in split(text))


def _named(element: str, settings: MilterSettings) -> NamedMilter:
    name, pairs = element, list[str]()
    if element.startswith("{"):
        if not element.endswith("}"):
            raise ValueError(f'missing "}}" in "{element}"')
        name, *pairs = split(element[1:-1]) or [""]
    try:
        server = parse(name, settings.queue_directory, known_ports(settings.known_tcp_ports))
    except ValueError:
        raise ValueError(f'"{name}" names no milter: write inet:HOST:PORT or unix:PATH') from None
    return NamedMilter(name, server, structs.replace(options_of(settings), **dict(_option(pair) for pair in pairs)))


def _option(pair: str) -> tuple[str, object]:
    inner = pair[1:-1] if pair.startswith("{") and pair.endswith("}") else pair  # which may have blanks around its `=`
    name, equals, value = (part.strip(SPACE) for part in inner.partition("="))
    if not equals or name not in _OPTIONS:
        raise ValueError(f'unexpected "{pair}": a milter has {", ".join(f"{one}=" for one in _OPTIONS)}')
    return name, _OPTIONS[name](value)


def macro_defaults(text: str) -> dict[str, str]:
    """milter_macro_defaults: values by the names of macros without braces. Raises ValueError."""
    found: dict[str, str] = {}
    for element in split(text):
        pair = element
        if element.startswith("{") and element.endswith("}") and "=" in element.partition("}")[0]:
            pair = element[1:-1]
        name, equals, value = (part.strip(SPACE) for part in pair.partition("="))
        if not equals or not (bare := bare_name(name)):
            raise ValueError(f'"{element}" is no name=value')
        found[bare] = value
    return found


def bare_name(name: str) -> str:
    """The name of a macro without the braces."""
    return name.removeprefix("{").removesuffix("}").strip(SPACE)
