"""Whether somebody listens."""

import socket


def listens(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
