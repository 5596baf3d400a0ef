"""`gatepost install-compat DIR`: links with Postfix's command names, so that scripts and packages find them."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

NAMES = (
    "postfix",
    "postconf",
    "postmap",
    "postalias",
    "newaliases",
    "postqueue",
    "mailq",
    "postsuper",
    "postcat",
    "sendmail",
    "postlog",
    "posttls-finger",
)


def main(argv: Sequence[str]) -> int:
    """Make the links in the folder that argv names; what is there and is no link of ours stays, and is said."""
    if len(argv) != 2 or argv[1].startswith("-"):
        sys.stderr.write("usage: gatepost install-compat DIR\n")
        return os.EX_USAGE
    target = shutil.which("gatepost") or sys.argv[0]
    folder = Path(argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    left = 0
    for name in NAMES:
        link = folder / name
        if link.is_symlink() and link.readlink().name == "gatepost":
            link.unlink()
        if link.exists() or link.is_symlink():
            sys.stderr.write(f"gatepost: warning: {link} exists and is not ours: left as it is (move it away first)\n")
            left += 1
            continue
        link.symlink_to(Path(target).resolve())
    return 1 if left else 0
