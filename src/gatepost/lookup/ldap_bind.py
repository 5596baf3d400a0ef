"""Whether an LDAP server takes a password for an entry: a connection of its own logs in with it, and is closed. Kept connections
are somebody else's, and stay so."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from gatepost.lookup.blocking import BlockingCalls, Hangs
from gatepost.lookup.ldap_connection import TROUBLES, OpeningConnection
from gatepost.lookup.ldap_settings import Access
from gatepost.lookup.libldap import SUCCESS, LdapError, Library
from gatepost.net.stream_port import StreamFailure, Trouble

_THREADS: Final = 8


def binder(library: Library, url: str, access: Access, octets: int) -> Callable[[str, bytes], Awaitable[int]]:
    """What logs in as (DN, password) and gives the server's code for it (RFC 4511, 4.1.9); raises StreamFailure where there is
    none. Neither may be empty: that would be an anonymous log-in (RFC 4513 §5.1). `access`: how the server is reached, TLS first
    where it asks for that; `octets`: the most of one message."""
    calls = BlockingCalls(_THREADS, access.timeout)

    async def bind(dn: str, password: bytes) -> int:
        assert dn
        assert password
        own = replace(access, bind="simple", dn=dn, password=password.decode("utf-8", "surrogateescape"))
        opening = OpeningConnection(library, url, own, octets)
        try:
            library.unbind(await calls.run(opening, opening.run), None, None)
            return SUCCESS
        except LdapError as error:
            if error.code > 0 and error.code not in TROUBLES:
                return error.code
            raise StreamFailure(TROUBLES.get(error.code, Trouble.GARBAGE), error.words) from None
        except Hangs as hangs:
            opening.abandon()
            raise StreamFailure(Trouble.TIMEOUT, hangs.why) from None
        except BaseException:
            opening.abandon()
            raise

    return bind
