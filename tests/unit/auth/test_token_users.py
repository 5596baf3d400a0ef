"""`oauth:PATH`: what its file may say, whose token it is, and what is told of those that let nobody in."""

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.checker_contract import ATTEMPT
from tests.support.driven_loop import run
from tests.support.issuer import AUDIENCE, ISSUER, USER, Signer, key_set
from tests.unit.auth.test_guard_of_logins import SETTINGS, Site

from gatepost.auth.backends.in_turn import InTurn, Named
from gatepost.auth.backends.token_opening import open_tokens
from gatepost.auth.backends.tokens import TokenUsers
from gatepost.auth.port import Attempt
from gatepost.lookup.port import Unavailable as NotOpened
from gatepost.net.stream_client import Network
from gatepost.proto.sasl.port import Accepted, IsToken, Question, Refused, Secret, TokenRefused, Unavailable, Verdict

SIGNER = Signer()
GOOD = f"issuer = {ISSUER}\naudience = {AUDIENCE}\nusername_claim = email\nscope = smtp\n"


def _no_network() -> Network:
    raise AssertionError


@pytest.fixture
def users(tmp_path: Path) -> Callable[..., TokenUsers]:
    """What opens a file with lines besides those of GOOD."""
    keys = tmp_path / "jwks.json"
    keys.write_bytes(key_set(SIGNER))

    def opened(more: str = "", text: str | None = None) -> TokenUsers:
        file = tmp_path / "oauth.cf"
        file.write_text(f"{GOOD}jwks_file = {keys}\n{more}" if text is None else text)
        return open_tokens(str(file), _no_network, lambda said: log.append(said))

    log: list[str] = []
    return opened


def ask(users: TokenUsers, token: bytes, user: str = "") -> Verdict:
    return run(users.check(IsToken(user, Secret(token)), ATTEMPT))


@pytest.mark.parametrize("name", ["", USER, USER.upper()])
def test_a_user_is_who_the_token_says(users: Callable[..., TokenUsers], name: str) -> None:
    assert ask(users(), SIGNER.token(), name) == Accepted(USER)


@pytest.mark.parametrize("name", ["anna", "ben@example.test", f"{USER}.", "root", USER.replace("a", "à", 1)])
def test_somebody_elses_token(users: Callable[..., TokenUsers], name: str) -> None:
    assert ask(users(), SIGNER.token(), name) == TokenRefused("the token is another user's", scope="smtp")


def test_what_is_told_of_a_token_that_lets_nobody_in(users: Callable[..., TokenUsers]) -> None:
    more = "openid_configuration = https://id.example.test/.well-known/openid-configuration\n"
    expired = ask(users(more), SIGNER.token(exp=1))
    url = "https://id.example.test/.well-known/openid-configuration"
    assert expired == TokenRefused("the token has expired", scope="smtp", configuration=url)
    narrow = ask(users(more), SIGNER.token(scope="other"))
    assert isinstance(narrow, TokenRefused) and narrow.status == "insufficient_scope"


def test_it_opens_no_connection_where_the_keys_are_a_file(users: Callable[..., TokenUsers]) -> None:
    assert isinstance(ask(users(), Signer("other").token()), Refused)


def test_no_text_shows_a_token(users: Callable[..., TokenUsers]) -> None:
    for token in (SIGNER.token(), SIGNER.token(exp=1), Signer().token(), b"never.to.be", b"x" * 9000):
        question = IsToken(USER, Secret(token))
        try:
            verdict = run(users().check(question, ATTEMPT))
        except Exception as fault:
            assert token.decode() not in "".join(traceback.format_exception(fault))
            raise
        assert token.decode()[-20:] not in repr((question, verdict))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "one of jwks_uri, jwks_file, introspection_url is needed"),
        (f"{GOOD}jwks_file = /a\njwks_uri = https://a.test/\n", "one of jwks_uri"),
        (f"{GOOD}jwks_file = a\n", "full pathname"),
        (f"{GOOD}jwks_uri = http://a.test/\n", "line 5: jwks_uri = http://a.test/: https is needed"),
        (f"{GOOD}jwks_uri = https://me:secret@a.test/\n", "not a URL"),
        (f"{GOOD}jwks_file = /a\nalgorithms = HS256\n", "line 6: algorithms = HS256: not some of RS256"),
        (f"{GOOD}jwks_file = /a\nalgorithms = none\n", "algorithms"),
        (f"{GOOD}jwks_file = /a\nleeway = 1d\n", "leeway"),
        (f"{GOOD}jwks_file = /a\nopenid_configuration = x\n", "not a URL"),
        ("issuer = a\naudience = b\njwks_file = /a\n", "username_claim is needed"),
        ("issuer = a\nusername_claim = email\njwks_file = /a\n", "issuer and audience are needed"),
        ("audience = b\nusername_claim = email\njwks_file = /a\n", "issuer and audience are needed"),
        ("username_claim = username\nintrospection_url = https://a.test/\n", "audience or scope is needed"),
        (f"{GOOD}introspection_url = https://a.test/\nclient_secret = never-to-be-seen\n", "client_id is not"),
        (f"{GOOD}jwks_uri = https://a.test/\ntls_ca_cert_file = /nonexistent\n", "No such file"),
        (f"{GOOD}jwks_uri = https://a.test/\njwks_lifetime = 600\njwks_stale_time = 60\n", "below 600"),
        (f"{GOOD}nonsense\n", "line 5"),
    ],
)
def test_mistakes_in_the_file(users: Callable[..., TokenUsers], text: str, words: str) -> None:
    with pytest.raises(NotOpened) as caught:
        users(text=text)
    assert words in caught.value.why
    assert "secret@" not in caught.value.why and "never-to-be-seen" not in caught.value.why


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(NotOpened, match="No such file"):
        open_tokens("/nonexistent/oauth.cf", _no_network, print)


# --- in turn, and behind the guard ---


def test_the_reason_of_whoever_gives_one(users: Callable[..., TokenUsers]) -> None:
    class Silent:
        answers: frozenset[type[Question]] = frozenset((IsToken,))

        async def check(self, question: Question, attempt: Attempt) -> Verdict:
            return Refused()

    for order in ((Silent(), users()), (users(), Silent())):
        several = InTurn([Named("x", one) for one in order], 10)
        verdict = run(several.check(IsToken("", Secret(SIGNER.token(exp=1))), ATTEMPT))
        assert isinstance(verdict, TokenRefused) and verdict.reason == "the token has expired"


def _shown(site: Site, user: str, token: bytes) -> Verdict:
    return asyncio.run(site.guard.check(IsToken(user, Secret(token)), ATTEMPT))


class Tokens:
    """Takes one token of Anna's."""

    answers: frozenset[type[Question]] = frozenset((IsToken,))
    asked = 0

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        self.asked += 1
        assert isinstance(question, IsToken)
        return Accepted("anna") if question.token.octets == b"right" else TokenRefused()


def _site() -> Site:
    site = Site()
    site.guard._checker = Tokens()
    return site


def test_tokens_count_as_guesses() -> None:
    """With a name for the user and the network, without one for the network alone."""
    named, nameless = _site(), _site()
    said = [_shown(named, "anna", b"%d" % n) for n in range(5)]
    assert [type(one) for one in said] == [TokenRefused] * 3 + [Unavailable] * 2
    said = [_shown(nameless, "", b"%d" % n) for n in range(7)]
    assert [type(one) for one in said] == [TokenRefused] * 5 + [Unavailable] * 2
    assert SETTINGS.smtpd_auth_client_guess_limit == 5 and SETTINGS.smtpd_auth_user_guess_limit == 3


def test_a_program_that_shows_an_old_token_over_and_over_guesses_nothing() -> None:
    site = _site()
    assert all(isinstance(_shown(site, "anna", b"old"), TokenRefused) for _ in range(20))
    assert _shown(site, "anna", b"right") == Accepted("anna")


def test_a_right_token_without_a_name_makes_no_network_familiar() -> None:
    """Whoever has one, of his own, could guess from there without a limit."""
    site = _site()
    assert _shown(site, "", b"right") == Accepted("anna")
    said = [_shown(site, "", b"%d" % n) for n in range(9)]
    assert [type(one) for one in said] == [TokenRefused] * 5 + [Unavailable] * 4


def test_tokens_without_a_name_shut_out_no_other_network() -> None:
    site = _site()
    for n in range(9):
        _shown(site, "", b"%d" % n)
    elsewhere = site.guard.check(IsToken("", Secret(b"right")), Attempt("smtp", "OAUTHBEARER", "198.51.100.1", "", "", "", True))
    assert asyncio.run(elsewhere) == Accepted("anna")
