"""A message whose every field a stranger has filled, shown to every function and to all that asks the DNS."""

from tests.unit.filter.evals.examined_message import Message

from gatepost.filter.evals import body_eval, html_eval, https_mismatch, image_info, mime_eval, uri_eval
from gatepost.filter.names import hashes, lists, templates
from gatepost.filter.names.asked import Asked
from gatepost.filter.names.questions import Want
from gatepost.filter.names.restriction import Restriction
from gatepost.filter.port import Relay, Relays, Text, Uri

_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "check_base64_length": ("1",),
    "check_blank_line_ratio": ("1", "2"),
    "check_for_mime": ("mime_qp_count",),
    "check_https_http_mismatch": ("1", "10"),
    "check_msg_parse_flags": ("truncated_header",),
    "html_eval": ("length", "< 1"),
    "html_image_only": ("1", "2"),
    "html_image_ratio": ("1", "2"),
    "html_range": ("length", "1", "2"),
    "html_tag_balance": ("a", "!= 0"),
    "html_text_match": ("title", "a"),
    "html_text_not_match": ("title", "a"),
    "image_count": ("gif", "1"),
    "image_size_exact": ("gif", "1", "1"),
    "image_size_range": ("gif", "1", "1"),
    "image_to_text_ratio": ("all", "0", "1"),
    "multipart_alternative_difference": ("1", "2"),
    "multipart_alternative_difference_count": ("1", "2"),
    "pixel_coverage": ("all", "1"),
    "tvd_vertical_words": ("1", "2"),
}
_TWO = ("check_for_uppercase", "check_mime_multipart_ratio")
_EVALS = body_eval.EVALS | html_eval.EVALS | https_mismatch.EVALS | image_info.EVALS | mime_eval.EVALS | uri_eval.EVALS


def shown(text: bytes) -> Message:
    """The message."""
    lines = text.replace(b"\r\n", b"\n")
    uri = Uri(b"http://" + lines, (lines,), (b"https://" + lines, lines), frozenset("a"), {lines: lines})
    return Message(
        b"MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/plain\n\n" + lines,
        Text(body=(b"s\n", lines), raw_body=(lines,), uris=(uri,), html={"title": [lines]}, rendered={(): lines}),
        headers=dict.fromkeys(("Subject", "From", "From:addr", "EnvelopeFrom", "EnvelopeFrom:addr", "Reply-To"), lines),
        relays=Relays(external=(Relay(ip=lines.decode("latin-1"), helo=lines.decode("latin-1")),)),
    )


def evaluated(text: bytes) -> None:
    """All functions asked about it."""
    message = shown(text)
    for name, function in _EVALS.items():
        function(message, _ARGUMENTS.get(name, ("1", "2") if name in _TWO else ("1",)))


def questioned(text: bytes) -> None:
    """All that may be asked because of it."""
    message, asked, wants = shown(text), Asked(100, Restriction(())), (Want("R"),)
    for function in ("check_rbl_headers", "check_rbl_from_host", "check_rbl_rcvd", "check_rbl_envfrom"):
        lists.ask([lists.Listed(function, "x.test", "A", "", wants)], message, str, asked)
    templates.ask([templates.Template("_SENDERDOMAIN_._LASTEXTERNALHELO_.x.test", ("A",), wants)], message, asked)
    for what in ("emails", "uris", "bodyre"):
        hashes.ask(
            [hashes.HashList(what, "x.test", "A", ("raw",), "(a)" if what == "bodyre" else "", (), wants, "body")], message, asked
        )
