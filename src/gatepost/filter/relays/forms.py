"""The forms in which mail servers write, behind `from`, who handed a message to them, and lines that tell of no hop.

`FORMS` is tried from its top: what is narrow stands above what is lenient. Names of groups are fields of a Relay; `host` is both
the name of the client and what it said. What a form does not tell stays empty. The forms were found by watching what SpamAssassin
4.0.1 makes of the lines of some ten thousand messages; where it takes an address that the client said for the one that the server
saw (a HELO in brackets), this takes the other.
"""

import re
from typing import Final

_OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_V4: Final = rf"(?:{_OCTET}\.){{3}}{_OCTET}(?![\d.])"
_V6: Final = r"[0-9a-fA-F]{0,4}:[0-9a-fA-F:]{0,40}:[0-9a-fA-F.]{0,15}"
_IP: Final = rf"(?:[Ii][Pp][Vv]6:)?(?:::[Ff]{{4}}:(?={_V4}))?(?P<ip>{_V4}|{_V6})(?:%\w+)?"
ADDRESS: Final = re.compile(rf"(?<![\w.:]){_IP}(?![\w.:])")
"""An address that stands for itself in a text."""

_PORT: Final = r"(?::\d+)?"
_NAME: Final = r"(?P<rdns>(?!(?:HE|EH)LO[ )]|(?i:(?:he|eh)lo) |helo=)[^\s\[\]()@]+)"
_SAID: Final = r"(?:HELO|EHLO) (?P<helo>[^\s)]*)"
_IDENT: Final = r"(?P<ident>[^@\s\[]*)@"

_HANDED: Final = (
    # Exim: its name ([its address]:port helo=what it said ident=who)
    rf"(?P<host>[^\s\[]\S*) \(\[{_IP}\]{_PORT}(?: ident=(?P<ident>[^\s)]+))?\)"
    r"(?= by [^;]*?\(Exim| by \S+ (?:\([^)]*\]\) )?with (?:SMTP|QMQP);| \(envelope-sender)",
    rf"(?P<rdns>[^\s\[]\S*) \(\[{_IP}{_PORT}\]{_PORT} helo=(?P<helo>[^\s)]+)(?: ident=(?P<ident>[^\s)]+))?\)"
    r"(?= by [^;]*?\(Exim| by \S+ with e?smtp)",
    rf"\S+ \(\[{_IP}{_PORT}\]{_PORT} helo=(?P<helo>[^\s)]+)(?: ident=(?P<ident>[^\s)]+))?\)",
    rf"(?P<host>[^\s\[]\S*) \[{_IP}\](?= by \S+ with \w+ \(Exim)",
    # SquirrelMail: who asked it, perhaps by a proxy
    rf"\S+ \(proxying for {_IP}, [^)]*\)",
    rf"\S+ \(\S+\) \(proxying for {_IP}\)",
    rf"\S+ \(\[?{_IP}\]?\)(?= \(Squirrel)",
    # Ecelerity, and Sun's messaging server
    rf"\[\S+\] \(\[{_IP}:\d+\]\)",
    rf"\[\S+\] \(\[{_IP}{_PORT}\] helo=(?P<helo>[^\s)]+)\)",
    rf"(?P<helo>\[\S+\]) (?:\(\[(?:unknown|[\d.]+)\] )?\[{_IP}\]\)?(?= by )",
    # sendmail, Postfix and most others: what it said (who@its name [its address])
    rf"(?P<helo>\S+) \((?:(?:(?:IDENT:)?{_IDENT})?{_NAME}(?:[ ?]|(?=\[)))?\[{_IP}{_PORT}\]\)",
    rf"(?P<helo>\S+) \({_IDENT}\[{_IP}\]\)(?= by \S+ \(| \()",
    rf"(?P<host>\S+) \({_IDENT}\[{_IP}\]\)",
    rf"(?P<helo>\S+) \((?:(?:(?:IDENT:)?{_IDENT})?{_NAME} )?\[{_IP}\] \(may be forged\)\)(?= by \S+ \([^)\s]*/| \()",
    rf"(?P<helo>\S+) \(\S+ \[{_IP}\] \(may be forged\)\)",
    rf"\S+ \( \[{_IP}\]\)",
    # ZMailer: its name ([its address]:port "EHLO what it said" ...)
    rf"\S+ \(\[{_IP}\]{_PORT} \"(?:HELO|EHLO) (?P<helo>[^\"\s]*)[^\"]*\"[^)]*\)",
    rf"\[{_IP}\]{_PORT} \((?:port=\d+ ?)?(?:helo=(?P<helo>[^\s)]+))?(?: ?ident=(?P<ident>[^\s)]+))?\)",
    # qmail and its kin: its name (HELO what it said) (who@its address)
    rf"(?P<rdns>\S+) \({_SAID}\) [(\[](?:(?P<ident>\S*)@)?\[?{_IP}\]?(?: with \w+)?[)\]]",
    rf"(?:\(\[{_IP}\]\)) \({_SAID}\)",
    rf"\[?{_IP}\]? \({_SAID}\)",
    rf"\S+ \({_SAID} \[{_IP}\]\)",
    # CommuniGate Pro: [its address] (account who HELO what it said)
    rf"\[{_IP}\] \(account \S+ HELO (?P<helo>[^\s)]+)\)",
    rf"(?P<host>\S+) \({_IDENT}{_IP}\)",
    rf"(?P<helo>\[\S+\]) \({_IP}\)",
    # Exchange, PowerMTA: its name (its address)
    rf"(?P<host>[^\s\[]+) \({_IP}\)(?= by [^\s;]+ | \()",
    rf"(?P<rdns>[^\s(]+)\({_IP}\)",
    # its address, and nothing else of it
    rf"(?P<helo>\[{_IP}\])(?= \(using)",
    rf"\[{_IP}\]",
    rf"{_IP}(?= by \S+ (?:\(.*\) )?with | by \S+ \(InterScan| \()",
    rf"\((?:(?P<helo>[^\s\[]+) )?\[{_IP}\]\)",
    # anything that names an address in brackets
    rf"(?P<helo>\S+\(\[{_IP}\]\))",
    rf"(?P<helo>\S+) (?!\((?:HE|EH)LO )(?:(?! by ).)*?\[{_IP}\](?:[)=;]+|[^ ]* as \S+\))?",
)
FORMS: Final = tuple(re.compile(form + r"(?=[ ;]|by |\Z)") for form in _HANDED)

FETCHED: Final = re.compile(r"\S+ \[\S+\] by \S+ with \S+ \(fetchmail")
"""A line of fetchmail, which fetches mail that another server has taken."""

_BEFORE: Final = (r"mail pickup service by", r"\d\S+ by \S+;", r"\S+ by \S+ \(\S+ running VPOP3", r"\S+ by \S+ by uid ")
_AFTER: Final = (
    r"\S+ \((?![\d.]+\)|helo=)[^\s@\[]+\) by ",
    r"\S+ \(\S+@localhost\) by ",
    r"\S+ \(helo=localhost\) by ",
    r"\(\S+ with login\) by",
    r"\S+ named unknown by",
    r"[^\s\[<]+ by (?!with)\S+ (?:with|\(|id)",
    r"localhost \(\S+ \[[^\]]*local",
    r"\S*[^\s(]\[[\d.]+\]\)? by ",
)
SILENT_FIRST: Final = re.compile("|".join(_BEFORE))
SILENT_LAST: Final = re.compile("|".join(_AFTER))
"""What no address is told of, without being strange: deliveries within a machine. The first are looked for before the forms."""
