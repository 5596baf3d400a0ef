"""EXTERNAL (RFC 4422, appendix A): the certificate of the TLS connection says who the client is."""

from gatepost.proto.sasl.port import Failed, Login, ServerExchange, ask_client, user_name


def server(certified: str) -> ServerExchange:
    """`certified`: whom the client's certificate stands for, empty for nobody. Nobody acts for anybody else."""
    message = yield from ask_client(b"")
    acting_for = user_name(message) if message else ""
    if not certified:
        raise Failed("no client certificate that is trusted")
    if acting_for not in ("", certified):
        raise Failed("authorization failure", certified)
    return Login(user_name(certified.encode()))
