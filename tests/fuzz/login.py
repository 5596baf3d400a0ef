"""Log-ins: whatever the other end of an exchange says, it ends as an exchange ends."""

from gatepost.proto.sasl.mechanisms import MECHANISMS, ClientSetting, Setting
from gatepost.proto.sasl.port import Challenge, Credentials, Failed, Login, Refused, Reply, Secret

_BOUND = {"tls-exporter": b"x"}
_MOST_STEPS = 10


def sasl_server(data: bytes) -> None:
    """Every mechanism, of what a client says: nobody knows any user, so that none gets in."""
    said = data.split(b"\n")
    for mechanism in MECHANISMS.values():
        exchange = mechanism.server(Setting("n", "h", _BOUND, mechanism.bound))
        reply: Reply | None = None
        responses = iter(said)
        try:
            for _ in range(_MOST_STEPS):
                step = next(exchange) if reply is None else exchange.send(reply)
                reply = next(responses, b"") if isinstance(step, Challenge) else Refused()
        except Failed:
            continue
        except StopIteration as end:
            raise AssertionError(f"{mechanism.name}: {Login.__name__} of nobody: {end.value}") from None
        raise AssertionError(f"{mechanism.name} never ends")


def sasl_client(data: bytes) -> None:
    """Every mechanism, of what a server says. None goes on for ever."""
    for mechanism in MECHANISMS.values():
        if mechanism.client is None:
            continue
        exchange = mechanism.client(Credentials("user", Secret(b"token")), ClientSetting("n", "h", 25, _BOUND, mechanism.bound))
        try:
            next(exchange)
            for challenge in (*data.split(b"\n"), *[b""] * _MOST_STEPS):
                assert isinstance(exchange.send(challenge), bytes)
        except (StopIteration, Failed):
            continue
        raise AssertionError(f"{mechanism.name} never ends")
