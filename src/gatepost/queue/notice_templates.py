"""Templates of notices (bounce(5)): headers and polite words around the facts, built in or from bounce_template_file."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gatepost.mail.ascii_text import SPACE

Expand = Callable[[str, Mapping[str, str]], str]
"""A text with its `$names` replaced; the mapping's names come before those of main.cf (Configuration.expand)."""

Warn = Callable[[str], None]


class Template(Struct, frozen=True):
    """One kind of notice. `origin`: the file it comes from, for warnings. `text`: unexpanded, lines end in LF."""

    kind: str
    subject: str
    text: str
    postmaster_subject: str = ""
    sender: str = "Mail Delivery System <MAILER-DAEMON>"
    charset: str = "us-ascii"
    origin: str = "[built-in]"


_HELP = """For further assistance, please send mail to postmaster.

If you do so, please include this problem report. You can
delete your own text from the attached returned message.

                   The mail system
"""

# The texts are interface: people and programs recognise them, so they are those that Postfix sends.
BUILT_IN: Final[Mapping[str, Template]] = {
    "failure": Template(
        "failure",
        "Undelivered Mail Returned to Sender",
        "This is the mail system at host $myhostname.\n\n"
        "I'm sorry to have to inform you that your message could not\n"
        "be delivered to one or more recipients. It's attached below.\n\n" + _HELP,
        "Postmaster Copy: Undelivered Mail",
    ),
    "delay": Template(
        "delay",
        "Delayed Mail (still being retried)",
        "This is the mail system at host $myhostname.\n\n"
        "####################################################################\n"
        "# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #\n"
        "####################################################################\n\n"
        "Your message could not be delivered for more than $delay_warning_time_hours hour(s).\n"
        "It will be retried until it is $maximal_queue_lifetime_days day(s) old.\n\n" + _HELP,
        "Postmaster Warning: Delayed Mail",
    ),
    "success": Template(
        "success",
        "Successful Mail Delivery Report",
        "This is the mail system at host $myhostname.\n\n"
        "Your message was successfully delivered to the destination(s)\n"
        "listed below. If the message was delivered to mailbox you will\n"
        "receive no further notifications. Otherwise you may still receive\n"
        "notifications of mail delivery errors from other systems.\n\n"
        "                   The mail system\n",
    ),
    "verify": Template(
        "verify",
        "Mail Delivery Status Report",
        "This is the mail system at host $myhostname.\n\n"
        "Enclosed is the mail delivery report that you requested.\n\n"
        "                   The mail system\n",
    ),
}

_START = re.compile(r"\s*(\w+)_template\s*=\s*<<\s*(\S+)\s*\Z", re.ASCII)
_HEADERS = {"charset": "charset", "from": "sender", "subject": "subject", "postmaster-subject": "postmaster_subject"}


def built_in(header_from_format: str) -> Mapping[str, Template]:
    """The built-in templates, their From header in the form of the parameter of this name."""
    if header_from_format != "obsolete":
        return BUILT_IN
    return {kind: replace(one, sender="MAILER-DAEMON (Mail Delivery System)") for kind, one in BUILT_IN.items()}


def load(path: str, defaults: Mapping[str, Template], warn: Warn) -> Mapping[str, Template]:
    """The `defaults`, replaced by those that the file at `path` defines; an empty path has none. What is wrong with the file
    is warned of and costs that template, never a notice."""
    if not path:
        return defaults
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        warn(f"open bounce_template_file {path}: {error}; using built-in templates")
        return defaults
    return {**defaults, **parse(text, path, warn, defaults)}


def parse(text: str, origin: str, warn: Warn, defaults: Mapping[str, Template] = BUILT_IN) -> dict[str, Template]:
    """The templates of a template file, by kind. `origin`: its name; `defaults`: of headers that it leaves out."""
    found: dict[str, Template] = {}
    lines = iter(enumerate(text.split("\n"), 1))
    for number, line in lines:
        if not line.strip(SPACE) or line.startswith("#"):
            continue
        start = _START.match(line)
        if start is None or start[1] not in BUILT_IN:
            warn(f"{origin}, line {number}: expecting one of: {', '.join(f'{k}_template = <<END' for k in BUILT_IN)}")
            continue
        body: list[str] = []
        for _, inner in lines:
            if inner.strip(SPACE) == start[2]:
                break
            body.append(inner)
        else:
            warn(f"{origin}, line {number}: unexpected end of file: no {start[2]!r}")
            continue
        found[start[1]] = _template(defaults[start[1]], body, origin, warn)
    return found


def _template(default: Template, lines: list[str], origin: str, warn: Warn) -> Template:
    """Header lines up to an empty one, then the text; headers that are not given keep their default."""
    given: dict[str, str] = {}
    at = 0
    while at < len(lines) and lines[at].strip(SPACE):
        name, colon, value = lines[at].partition(":")
        field = _HEADERS.get(name.strip(SPACE).lower())
        if not colon or field is None or not value.isascii() or "\0" in value:
            warn(f"{origin}: {default.kind} template: bad header: {lines[at]}")
        else:
            given[field] = value.strip(SPACE)
        at += 1
    text = "".join(f"{line}\n" for line in lines[at + 1 :])
    if not text.isascii() and given.get("charset", default.charset).lower() == "us-ascii":
        warn(f"{origin}: non-ASCII text in {default.kind} template needs a Charset: header")
        return default
    return replace(default, text=text, origin=origin, **given)


UNITS: Final = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}
_TIMES = re.compile(r"\$[({]?((delay_warning_time|maximal_queue_lifetime)_(seconds|minutes|hours|days|weeks))\b", re.ASCII)


def expanded(template: Template, times: Mapping[str, int], names: Mapping[str, str], expand: Expand, warn: Warn) -> str:
    """The text of `template` for a notice. `times`: delay_warning_time and maximal_queue_lifetime in seconds; `names`: what
    else is not as in main.cf. Warns of times that their unit makes useless."""
    values = dict(names)
    for match in _TIMES.finditer(template.text):
        name, parameter, unit = match.groups()
        values[name] = str(times[parameter] // UNITS[unit])
        _judge(template, name, unit, times[parameter], warn)
    return expand(template.text, values)


def _judge(template: Template, name: str, unit: str, seconds: int, warn: Warn) -> None:
    result = seconds // UNITS[unit]
    if seconds and not result:
        fault, remedy = "zero result", "reduce"
    elif result > 999 and UNITS[unit] < UNITS["weeks"]:
        fault, remedy = f'excessive result "{result}"', "increase"
    else:
        return
    warn(f'{template.origin}: {fault} in {template.kind} template conversion of parameter "{name}"')
    warn(f'please {remedy} time unit "{unit}" of "{name}" in {template.kind} template')
    warn("for instructions see the bounce(5) manual")
