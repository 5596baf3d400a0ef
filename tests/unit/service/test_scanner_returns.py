"""A scanner that messages end again and again comes back soon, where others are waited with longer and longer."""

import time

from gatepost.service.master.children import Child, Children, Instance
from gatepost.service.roles import SCANNER, WORKER, Role


def pause(role: Role) -> float:
    """The longest that one which dies at once ten times is waited with, in seconds."""
    children, instance = Children(60.0), Instance(role, 0)
    for pid in range(10):
        children.wait_before_return(Child(pid, instance, 1, time.monotonic(), -1))
    return children.waiting[instance] - time.monotonic()


def test_some_messages_do_not_stop_all_mail() -> None:
    assert pause(SCANNER) <= 1.0
    assert pause(WORKER) > 50.0
