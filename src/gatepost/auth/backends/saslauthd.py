"""`saslauthd`: Cyrus' daemon, which asks PAM, LDAP or others (saslauthd(8)), at its socket."""

from collections.abc import Callable

from gatepost.auth.backends.names import with_realm
from gatepost.auth.port import Attempt
from gatepost.mail.address import to_bytes
from gatepost.net.stream_client import StreamClient
from gatepost.net.stream_port import NOT_ASKED, StreamFailure
from gatepost.proto.sasl.port import Accepted, IsPassword, Question, Refused, Unavailable, Verdict
from gatepost.proto.saslauthd import LONGEST, SaslauthdQuery


class Saslauthd:
    """A Checker. `client`: the socket to ask now; `realm`: of names that have none (smtpd_sasl_local_domain); `warn`: lines for the
    log. A name is login and realm, with `@` between them, as Cyrus SASL takes it apart."""

    answers: frozenset[type[Question]] = frozenset((IsPassword,))

    def __init__(self, client: Callable[[], StreamClient], realm: str, warn: Callable[[str], None]) -> None:
        self._client = client
        self._realm = realm
        self._warn = warn

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        assert isinstance(question, IsPassword)
        name = with_realm(question.user, self._realm)
        login, at, realm = name.rpartition("@") if "@" in name else (name, "", "")
        words = to_bytes(login), question.password.octets, to_bytes(attempt.service), to_bytes(realm)
        if not login or (at and not realm) or max(map(len, words)) > LONGEST:
            return Refused()
        if b"\0" in question.password.octets:
            return Refused()  # it would look at what stands before it alone
        client = self._client()
        try:
            right = await client.ask(lambda: SaslauthdQuery(*words), attempt.client_address)
        except StreamFailure as failure:
            told = f"SASL authentication failure: cannot connect to saslauthd server {client.server.name}: {failure.words}"
            if failure.trouble not in NOT_ASKED:
                self._warn(told)
            return Unavailable(f"saslauthd: {failure.words}")
        return Accepted(name) if right else Refused()
