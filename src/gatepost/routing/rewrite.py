"""How an address is brought into standard form, `user@fully.qualified.domain` (trivial-rewrite(8), ADDRESS_REWRITING_README).

Source routes are stripped, `site!user` and `user%domain` become `user@site` and `user@domain`, a missing `@origin` and
`.domain` are appended, one trailing dot goes. Pure: no tables are asked.
"""

import re

from gatepost.mail.header_address import Token, TokenKind, internal, requoted, scan
from gatepost.routing.settings import RoutingSettings

LOCAL = "local"
REMOTE = "remote"

# What no rule touches: a dot-string without routing operators, at a valid host name with a dot inside.
_STANDARD = re.compile(
    r"""[^\x00-\x20\x7f()<>\[\]:;@\\,.%!"|]+(?:\.[^\x00-\x20\x7f()<>\[\]:;@\\,.%!"|]+)*
    @(?=.{1,255}\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+[A-Za-z](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z""",
    re.VERBOSE,
)


def is_standard(address: str) -> bool:
    """True for the usual address in standard form, which no rule would change; the form is the same in and out of quotes."""
    return _STANDARD.match(address) is not None


def _is(token: Token, operator: str) -> bool:
    return token.kind is TokenKind.OPERATOR and token.text == operator


def first(tokens: list[Token], operator: str) -> int:
    """Index of the first such operator, -1 where there is none."""
    return next((index for index, token in enumerate(tokens) if _is(token, operator)), -1)


def last(tokens: list[Token], operator: str) -> int:
    """Index of the last such operator, -1 where there is none."""
    return next((index for index in range(len(tokens) - 1, -1, -1) if _is(tokens[index], operator)), -1)


def without_final_dot(tokens: list[Token]) -> list[Token]:
    """One dot at the end removed; `..` and `@.` are left for the error they are."""
    if len(tokens) > 1 and _is(tokens[-1], ".") and not (_is(tokens[-2], ".") or _is(tokens[-2], "@")):
        return tokens[:-1]
    return tokens


class Rewriter:
    """The rewriting rules under one set of parameters."""

    def __init__(self, settings: RoutingSettings) -> None:
        self._settings = settings
        remote = settings.remote_header_rewrite_domain
        self._origins = {LOCAL: scan(settings.myorigin), REMOTE: scan(remote)}
        self._domains = {LOCAL: scan(settings.mydomain), REMOTE: scan(remote)}

    def rewrite(self, address: str, context: str = LOCAL) -> str:
        """`address` (internal form) in standard form. An empty address stays empty."""
        if not address or is_standard(address):
            return address
        return internal(self.rewrite_tokens(scan(requoted(address)), context))

    def rewrite_external(self, address: str, context: str = LOCAL) -> str:
        """The same for an address as a header writes it."""
        if not address or is_standard(address):
            return address
        return requoted(internal(self.rewrite_tokens(scan(address), context)))

    def rewrite_tokens(self, tokens: list[Token], context: str = LOCAL) -> list[Token]:
        """The rules, over the tokens of one address."""
        if not tokens or (len(tokens) == 1 and tokens[0].kind is TokenKind.QUOTED and not tokens[0].text):
            return tokens
        if len(tokens) == 1 and _is(tokens[0], "@"):
            return [Token(TokenKind.QUOTED, "")]
        return without_final_dot(self._with_domain(self._with_at(_without_route(tokens), context), context))

    def _with_at(self, tokens: list[Token], context: str) -> list[Token]:
        if last(tokens, "@") >= 0:
            return tokens
        if self._settings.swap_bangpath and (bang := first(tokens, "!")) >= 0:
            return [*tokens[bang + 1 :], Token(TokenKind.OPERATOR, "@"), *tokens[:bang]]
        if self._settings.allow_percent_hack and (percent := last(tokens, "%")) >= 0:
            return [*tokens[:percent], Token(TokenKind.OPERATOR, "@"), *tokens[percent + 1 :]]
        if self._settings.append_at_myorigin and self._origins[context]:
            return [*tokens, Token(TokenKind.OPERATOR, "@"), *self._origins[context]]
        return tokens

    def _with_domain(self, tokens: list[Token], context: str) -> list[Token]:
        at = last(tokens, "@")
        domain = tokens[at + 1 :]
        plain = at >= 0 and domain and not any(token.kind is TokenKind.LITERAL or _is(token, ".") for token in domain)
        if plain and self._settings.append_dot_mydomain and self._domains[context]:
            return [*tokens, Token(TokenKind.OPERATOR, "."), *self._domains[context]]
        return tokens


def _without_route(tokens: list[Token]) -> list[Token]:
    """A source route (`@a,@b:user@c`) stripped; RFC 5321 appendix C."""
    if _is(tokens[0], "@") and 0 <= (colon := first(tokens, ":")) < len(tokens) - 1:
        return tokens[colon + 1 :]
    return tokens
