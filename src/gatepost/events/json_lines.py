"""Events as JSON, one object a line: for programs that want fields where the Postfix-format log has words.

Beside what the record holds, each line says `time` (seconds since 1970), `process` (as in the Postfix-format log), `pid` and
`type` (the record's name). What decided stands in it as `rule`, `table`, `key` and `reason` (mail/reason.py), on every line that
tells of a decision, empty where nothing is to be said; `line` of the table and `trace` only where there is one. What was found out
(mail/evidence.py) stands in `found`, an object for each fact, whose `type` is the fact's name.
"""

from typing import Any, Final

import msgspec
from msgspec import structs

from gatepost.events.records import Event
from gatepost.mail.reason import Reason

FACTS_LIMIT: Final = 64
"""Facts of a line; of more the last are told."""

_encode = msgspec.json.Encoder(enc_hook=str).encode


def line(event: Event, *, time: float, process: str, pid: int) -> str:
    """The line, its end included. What is no character (a lone surrogate, as octets that are not UTF-8 are carried) becomes `?`."""
    told: dict[str, Any] = {"time": time, "process": process, "pid": pid, "type": type(event).__name__}
    if severity := getattr(event, "severity", ""):
        told["severity"] = severity
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if type(value) is Reason:
            told |= _spread(value)
        elif name == "found":
            if value:
                told[name] = [{"type": type(fact).__name__, **structs.asdict(fact)} for fact in value[-FACTS_LIMIT:]]
        else:
            told[name] = value
    try:
        return f"{_encode(told).decode()}\n"
    except UnicodeEncodeError:
        return f"{_encode(_sound(told)).decode()}\n"


def _spread(why: Reason) -> dict[str, Any]:
    fields = structs.asdict(why)
    for name in ("line", "trace"):
        if not fields[name]:
            del fields[name]
    return fields


def _sound(value: Any) -> Any:
    """`value` without lone surrogates, however deep they lie."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: _sound(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_sound(each) for each in value]
    return _sound(structs.asdict(value)) if isinstance(value, msgspec.Struct) else value
