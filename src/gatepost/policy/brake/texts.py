"""What user and postmaster are told when a login is blocked."""

import re
import shlex
from typing import Final

_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")


def is_address(login: str) -> bool:
    """Whether mail to a login may reach its user: it is a plain address in a domain."""
    return len(login) <= 254 and _ADDRESS.fullmatch(login) is not None


def subject(login: str) -> str:
    """Of both notices, in ASCII."""
    return f"Mail of {login.encode('ascii', 'replace').decode()[:100]} is held"


def to_postmaster(login: str, why: str) -> str:
    """What happened, and what can be done."""
    word = shlex.quote(login) if login[:1] != "-" else f"-- {shlex.quote(login)}"
    return f"""\
All mail of the login {login} is held from now on. It has passed a limit:

    {why}

Somebody may have its password. If so, change it first. Then

    gatepost submission purge --lift {word}

throws away what is held, and lets new mail out. If the mail is good,

    gatepost submission release --lift {word}

sends what is held. Without --lift new mail is held as before.

    gatepost submission show {word}

tells what was sent from where, and what is held.
"""


def to_user(login: str, why: str) -> str:
    """The same for the user, who cannot do anything here."""
    return f"""\
More mail was sent with your login {login} than is usual:

    {why}

It is held, and so is what you send from now on, until the postmaster has looked at it. Nothing is lost.

If you did not send that mail, somebody has your password: change it, and tell the postmaster. If you did, tell the
postmaster as well.
"""
