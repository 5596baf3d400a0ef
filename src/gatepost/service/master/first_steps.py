"""The first steps of a child: nothing of the sender's is read before it has no more rights than its role has (roles.py)."""

import os
import sys
from pkgutil import resolve_name

from gatepost.events.records import Note
from gatepost.service.faults import STARTED_AGAIN
from gatepost.service.inheritance import Body, Inheritance
from gatepost.service.login_groups import login_groups
from gatepost.service.privileges import become, die_with_parent, hide_memory, keep_capabilities
from gatepost.service.roles import Rights, Role
from gatepost.service.walls import walls


def live(role: Role, inheritance: Inheritance, mail_owner: str, parent: int) -> None:
    """Be a child of the supervisor, the process `parent`, in a role, until told to stop. A fault of ours ends the process."""
    faults = inheritance.faults
    faults.watch_process(needs_threads=role.needs_threads)
    try:
        body: Body = resolve_name(role.body)
        life = body(inheritance)
        _take(role.rights, inheritance, mail_owner)
        die_with_parent(parent)  # only now: the kernel forgets it where the user changes
        life()
    except Exception as fault:  # a child must not unwind into the supervisor
        faults.tell(fault, STARTED_AGAIN)
        sys.exit(1)


def _take(rights: Rights, inheritance: Inheritance, mail_owner: str) -> None:
    """Give up all rights but these, for good."""
    by_root = os.getuid() == 0
    if rights.as_owner:
        become(mail_owner, login_groups(inheritance.configuration) if rights.knows_users else ())
    elif os.getuid() == 0:
        os.setgroups([])
        keep_capabilities(rights.capabilities, rights.of_programs)
    if by_root:
        hide_memory()
    if rights.walls:
        _surround(rights, inheritance)


def _surround(rights: Rights, inheritance: Inheritance) -> None:
    try:
        walls.put_up(walls.planned(inheritance.configuration, rights.changes))
    except OSError as error:  # mail goes on, as where the kernel has none
        inheritance.log.emit(Note("master", f"no walls: {error}", "warning"))
        inheritance.log.flush()
