"""Domains that are not ASCII (UTS 46 and IDNA 2003): where the two part, the examples of UTS 46."""

import pytest

from gatepost.mail.domain import to_ascii


@pytest.mark.parametrize(
    ("name", "ascii_name", "of_2003"),
    [
        ("b\u00fccher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("B\u00dcCHER.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("stra\u00dfe.example", "xn--strae-oqa.example", "strasse.example"),
        ("\u03b2\u03cc\u03bb\u03bf\u03c2.example", "xn--nxasmm1c.example", "xn--nxasmq6b.example"),
        ("\u2615.example", "xn--53h.example", "xn--53h.example"),
        ("a\u3002b\u00fc.example", "a.xn--b-eha.example", "a.xn--b-eha.example"),
        ("under_sc\u00f6re.example", "xn--under_scre-lcb.example", "xn--under_scre-lcb.example"),
        ("plain.example", "plain.example", "plain.example"),
    ],
)
def test_a_labels(name: str, ascii_name: str, of_2003: str) -> None:
    assert to_ascii(name) == ascii_name
    assert to_ascii(name, transitional=True) == of_2003


@pytest.mark.parametrize("name", ["\u00fc" * 64 + ".example", "\u00fc." * 200, "\udcff.example", "\u00fc\u2488.example\ufffd"])
@pytest.mark.parametrize("transitional", [False, True])
def test_what_is_no_name(name: str, transitional: bool) -> None:
    with pytest.raises(UnicodeError):
        to_ascii(name, transitional=transitional)
