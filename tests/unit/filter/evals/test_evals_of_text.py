"""Functions over text, HTML, URIs and images, as SpamAssassin 4.0.1 was seen to judge them."""

import struct

import pytest
from tests.unit.filter.evals.examined_message import Message

from gatepost.filter.evals import body_eval, html_eval, https_mismatch, image_info, uri_detail, uri_eval
from gatepost.filter.port import Text, Uri
from gatepost.filter.rules.ruleset import Condition, Pattern

EVALS = body_eval.EVALS | html_eval.EVALS | https_mismatch.EVALS | image_info.EVALS | uri_eval.EVALS


def ask(message: Message, function: str, *arguments: str) -> bool:
    return bool(EVALS[function](message, arguments))


HTML = Message(
    text=Text(
        html={
            "html": 1,
            "length": 400,
            "max_size": 6,
            "non_space_len": 100,
            "image_area": 50_000,
            "inside": {"img": 0, "body": 1, "center": 0},
            "comment": [b"<!-- x -->"],
            "title": [b"t" * 15, b""],
        }
    ),
    headers={"Subject": b"abc\n"},
)


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        ("html_test", ("html",), True),
        ("html_test", ("embeds",), False),
        ("html_range", ("length", "400", "inf"), False),
        ("html_range", ("length", "399", "400"), True),
        ("html_range", ("ratio", "0", "inf"), False),
        ("html_eval", ("length", "< 512"), True),
        ("html_eval", ("length", "= nonsense 1"), False),
        ("html_image_only", ("0000", "0400"), True),
        ("html_image_only", ("0400", "0800"), False),
        ("html_image_ratio", ("0.000", "0.002"), True),
        ("html_image_ratio", ("0.002", "0.004"), False),
        ("html_tag_exists", ("center",), True),
        ("html_tag_exists", ("bgsound",), False),
        ("html_tag_balance", ("body", "!= 0"), True),
        ("html_tag_balance", ("center", "!= 0"), False),
        ("html_tag_balance", ("bgsound", "!= 0"), False),
        ("html_text_match", ("comment", "<!.*?>"), True),
        ("html_text_match", ("anchor", "<img>"), False),
        ("html_title_subject_ratio", ("3.5",), True),
        ("html_title_subject_ratio", ("3.75",), False),
        ("check_iframe_src", (), False),
    ],
)
def test_facts_of_html(function: str, arguments: tuple[str, ...], expected: bool) -> None:
    assert ask(HTML, function, *arguments) is expected


def test_without_html_nothing_hits() -> None:
    for function, arguments in (
        ("html_range", ("length", "-1", "inf")),
        ("html_tag_exists", ("a",)),
        ("html_eval", ("length", "> -1")),
    ):
        assert not ask(Message(), function, *arguments)


def links(*found: tuple[bytes, bytes, bytes]) -> Message:
    """Of URI, host with its domain, and text."""
    uris = [Uri(raw, (raw,), (text,), frozenset(("a",)), {host: b".".join(host.split(b".")[-2:])}) for raw, host, text in found]
    return Message(text=Text(uris=tuple(uris)))


@pytest.mark.parametrize(
    ("uri", "host", "text", "expected"),
    [
        (b"http://evil.example/x", b"evil.example", b"https://bank.test/login", True),
        (b"http://www.bank.test/x", b"www.bank.test", b"https://bank.test/login", False),
        (b"http://192.0.2.1/x", b"192.0.2.1", b"https://bank.test/login", False),
        (b"evil.example/x", b"evil.example", b"https://bank.test/login", False),
        (b"http://evil.example/x", b"evil.example", b"see https://bank.test", False),
    ],
)
def test_a_link_that_shows_another_site(uri: bytes, host: bytes, text: bytes, expected: bool) -> None:
    assert ask(links((uri, host, text)), "check_https_http_mismatch", "1", "10") is expected
    assert not ask(links(*[(uri, host, text)] * 11), "check_https_http_mismatch", "1", "10")


def test_a_link_that_shows_a_name_and_leads_to_an_address() -> None:
    assert ask(links((b"http://192.0.2.1/", b"192.0.2.1", b"https://bank.test/")), "check_https_ip_mismatch")
    assert not ask(links((b"http://192.0.2.1/", b"192.0.2.1", b"https://192.0.2.1/")), "check_https_ip_mismatch")
    assert not ask(links((b"http://bank.test/", b"bank.test", b"https://bank.test/")), "check_https_ip_mismatch")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([("raw", "%2E", False), ("type", "a", False)], True),
        ([("raw", "%2E", False), ("type", "img", False)], False),
        ([("cleaned", "%2E", True)], True),
        ([("text", "two", True)], True),
        ([("text", "t", True)], False),
        ([("domain", "example", False), ("host", "www", False)], True),
        ([("cleaned", "nowhere", False), ("cleaned", "%2E", True)], True),
    ],
)
def test_conditions_of_uri_detail(conditions: list[tuple[str, str, bool]], expected: bool) -> None:
    raw, clean = b"http://www%2Eexample.test/", b"http://www.example.test/"
    uri = Uri(raw, (raw, clean), (b"text", b"two"), frozenset("a"), {b"www.example.test": b"example.test"})
    made = [Condition(key, Pattern(text.encode(), 0, b""), negated) for key, text, negated in conditions]
    found = uri_detail.meets(made, [uri], lambda pattern, value: pattern.octets in value)
    assert (found is uri) is expected


GIF = b"GIF89a" + struct.pack("<HH", 415, 206)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 20, 10)
JPEG = b"\xff\xd8\xff\xe0\x00\x04\0\0\xff\xc0\x00\x11\x08" + struct.pack(">HH", 30, 40) + b"\0" * 8


@pytest.mark.parametrize(
    ("kind", "octets", "size"),
    [
        ("gif", GIF, (415, 206)),
        ("png", PNG, (20, 10)),
        ("jpeg", JPEG, (40, 30)),
        ("jpeg", GIF, (0, 0)),
        ("jpeg", JPEG[:12], (0, 0)),
        ("jpeg", b"\xff\xd8" + b"\xff" * 5000, (0, 0)),
        ("png", PNG[:20], (0, 0)),
        ("gif", b"", (0, 0)),
    ],
)
def test_sizes_of_images(kind: str, octets: bytes, size: tuple[int, int]) -> None:
    assert image_info.image_size(kind, octets) == size


def with_images(*kinds: bytes) -> Message:
    parts = b"".join(b"--bb\nContent-Type: image/%s; name=a.%s\n\n%s\n" % (kind, kind, GIF) for kind in kinds)
    octets = b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="bb"\n\n%s--bb--\n' % parts
    return Message(octets, Text(body=(b"a" * 500,), raw_body=(b"a" * 5000,)))


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        ("image_count", ("gif", "2", "2"), True),
        ("image_count", ("jpeg", "1"), True),
        ("image_count", ("all", "3", "3"), True),
        ("image_count", ("png", "1"), False),
        ("pixel_coverage", ("gif", "170980", "170980"), True),
        ("pixel_coverage", ("jpeg", "1"), False),
        ("image_named", ("a.gif",), True),
        ("image_name_regex", (r"\.png$",), False),
        ("image_size_exact", ("gif", "206", "415"), True),
        ("image_size_range", ("gif", "200", "400"), True),
        ("image_size_range", ("gif", "200", "400", "205", "500"), False),
        ("image_to_text_ratio", ("all", "0.000", "0.008"), True),
    ],
)
def test_images_that_come_along(function: str, arguments: tuple[str, ...], expected: bool) -> None:
    message = with_images(b"gif", b"gif", b"jpeg", b"bmp")
    assert ask(message, function, *arguments) is expected


def test_a_ratio_of_a_rawbody_rule_counts_raw_text() -> None:
    message = with_images(b"gif")
    message.kind = "rawbody"
    assert not ask(message, "image_to_text_ratio", "all", "0.000", "0.008")


def test_words_that_text_beside_html_lacks() -> None:
    octets = (
        b'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="bb"\n\n'
        b"--bb\nContent-Type: text/plain\n\nx\n--bb\nContent-Type: text/html\n\nx\n--bb--\n"
    )
    message = Message(octets, Text(rendered={(1,): b"one two * -", (2,): b"one one two three four"}))
    assert ask(message, "multipart_alternative_difference", "74", "75")
    assert not ask(message, "multipart_alternative_difference", "75", "100")
    assert not ask(message, "multipart_alternative_difference_count", "0.5", "1")
    assert ask(message, "multipart_alternative_difference_count", "0.49", "1")


@pytest.mark.parametrize(
    ("html", "rendered", "expected"), [(b"<img src=x>", b"*", True), (b"<b>*", b"*", False), (b"<img>", b"one", False)]
)
def test_images_without_words_are_what_text_beside_them_lacks(html: bytes, rendered: bytes, expected: bool) -> None:
    octets = (
        b'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="bb"\n\n'
        b"--bb\nContent-Type: text/plain\n\nx\n--bb\nContent-Type: text/html\n\n" + html + b"\n--bb--\n"
    )
    message = Message(octets, Text(rendered={(1,): b"one two", (2,): rendered}))
    assert ask(message, "multipart_alternative_difference", "99", "100") is expected
    assert ask(message, "multipart_alternative_difference_count", "1.5", "0") is (expected or rendered == b"one")


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        ("check_body_length", ("12",), True),
        ("check_body_length", ("11",), False),
        ("plaintext_body_length", ("3", "3"), True),
        ("plaintext_sig_length", ("6", "6"), True),
        ("plaintext_body_sig_ratio", ("0.4", "0.6"), True),
    ],
)
def test_lengths(function: str, arguments: tuple[str, ...], expected: bool) -> None:
    assert ask(Message(b"A: b\n\nab\n-- \nname\n"), function, *arguments) is expected


def test_the_last_mark_with_a_signature_behind_it_counts() -> None:
    message = Message(b"A: b\n\nab\n-- \nname\n-- \nother\n-- \nend")
    assert ask(message, "plaintext_body_length", "12", "12")
    assert ask(message, "plaintext_sig_length", "14", "14")


def test_lines_of_blanks() -> None:
    message = Message(text=Text(body=(b"a b c d e f", b"word word"), raw_body=(b"a\n\n\n\nb",)))
    assert ask(message, "tvd_vertical_words", "83", "84")
    assert ask(message, "check_blank_line_ratio", "50", "60", "4")
    assert not ask(message, "check_blank_line_ratio", "50", "60", "6")


def test_labels_of_stock_tips() -> None:
    text = b"Company: X\nSymbol: XYZ\nTarget Price: $5\nhello: you\n"
    message = Message(b"A: b\n\nx\n", Text(rendered={(): text}))
    assert ask(message, "check_stock_info", "3")
    assert not ask(message, "check_stock_info", "4")
