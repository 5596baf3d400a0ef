"""Users, groups and a PAM service of this machine, made for a test and gone after it."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

MEMBER, OUTSIDER, EXPIRED = "gpt-anna", "gpt-ben", "gpt-carl"
PASSWORDS = {MEMBER: "anna's secret", OUTSIDER: "ben's secret", EXPIRED: "carl's secret"}


class Accounts(Struct, frozen=True):
    """`service`: a PAM service that lets in the members of `group`."""

    service: str
    group: str


@contextlib.contextmanager
def unix_accounts(tag: str, passwords: Mapping[str, str] = PASSWORDS) -> Iterator[Accounts]:
    """Users with a tag behind their names: MEMBER of the group, OUTSIDER of it, and a member whose account has EXPIRED; or others,
    with their `passwords`. A wrong password is told at once, without pam_unix(8)'s own delay."""
    service, group = f"gpt-smtp-{tag}", f"gpt-{tag}"
    file = Path("/etc/pam.d") / service
    names = [f"{name}{tag}" for name in passwords]
    try:
        _run("groupadd", group)
        for name, password in zip(names, passwords.values(), strict=True):
            more = [] if name.startswith(OUTSIDER) else ["-G", group]
            _run("useradd", "-M", "-s", "/usr/sbin/nologin", *more, name)
            subprocess.run(["chpasswd"], input=f"{name}:{password}\n", text=True, check=True, capture_output=True)
        if EXPIRED in passwords:
            _run("usermod", "-e", "2020-01-01", f"{EXPIRED}{tag}")
        file.write_text(
            "auth required pam_unix.so nodelay\n"
            f"account required pam_succeed_if.so user ingroup {group}\naccount required pam_unix.so\n"
        )
        yield Accounts(service, group)
    finally:
        file.unlink(missing_ok=True)
        for name in names:
            subprocess.run(["userdel", name], capture_output=True, check=False)
        subprocess.run(["groupdel", group], capture_output=True, check=False)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def tag() -> str:
    return f"{os.getpid() % 1000000}"
