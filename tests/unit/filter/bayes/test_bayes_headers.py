"""The tokens of headers are those of SpamAssassin 4.0.1."""

from gatepost.filter.bayes.headers import header_words
from gatepost.filter.bayes.words import STOP_WORDS

HOP = (
    b"from gannet.stats.ox.ac.uk (gannet.stats [163.1.211.17]) by markov.stats.ox.ac.uk (8.13.6/8.13.6) with ESMTP id"
    b" l3IBEZSt018164;  Wed, 18 Apr 2007 12:14:35 +0100 (BST)"
)


def tokens(*headers: tuple[bytes, bytes], ignored: frozenset[bytes] = frozenset()) -> set[bytes]:
    return set(header_words(list(headers), STOP_WORDS, ignored))


def test_a_hop_is_told_without_its_date_and_queue_id() -> None:
    assert tokens((b"Received", HOP)) == {
        b"H*r:sk:gannet.", b"H*r:gannet.stats", b"H*r:163.1.211", b"H*r:ip*163.1.211.17", b"H*r:sk:markov.", b"H*r:8.13.6",
    }  # fmt: skip


def test_the_first_two_hops_are_read() -> None:
    assert tokens((b"Received", b"by third"), (b"Received", b"by second"), (b"Received", b"by another")) == {
        b"H*r:second",
        b"H*r:another",
    }


def test_addresses_are_told_in_parts_and_together() -> None:
    assert tokens((b"From", b'"Doe, Jane" <jane@mail.example.com>')) == {
        *(b"H*F:" + part for part in (b"N*Doe", b"N*Jane", b"U*jane", b"D*mail.example.com", b"D*example.com", b"D*com")),
        *(b"H*Ad:" + part for part in (b"N*Doe", b"N*Jane", b"U*jane", b"D*mail.example.com", b"D*example.com", b"D*com")),
    }


def test_each_recipient_counts() -> None:
    assert {b"HTo:U*a1", b"HTo:U*b1", b"HTo:D*x.de", b"HTo:D*y.fr"} <= tokens((b"To", b"a1@x.de, Someone <b1@y.fr>"))


def test_a_message_id_falls_apart_and_one_of_outlook_is_known() -> None:
    assert tokens((b"Message-ID", b"<Pine.LNX.4.64.0704181213411.11062@gannet.stats.ox.ac.uk>")) == {
        start + word for start in (b"H*M:", b"H*MI:") for word in (b"Pine", b"LNX", b"0704181213411", b"11062", b"gannet", b"stats")
    }
    assert b"H*M:OEA0123" in tokens((b"Message-ID", b"<0123abcd4567$89abcdef$01234567@x.y.com>"))


def test_boundaries_show_their_shape() -> None:
    value = b'multipart/related; boundary="----=_NextPart_000_0002_01C77D2E.E80381A0"'
    assert tokens((b"Content-Type", value)) == {
        b"H*ct:multipart",
        b"H*ct:related",
        b"H*ct:NHxtPHrt",
        b"H*ct:HHH",
        b"H*ct:HHHH",
        b"H*ct:HHHHHHHH",
    }


def test_what_teaches_nothing_lasting_is_left_out() -> None:
    assert not tokens((b"Subject", b"winner"), (b"Date", b"Monday"), (b"List-Id", b"list.example"), (b"DKIM-Signature", b"signed"))
    assert not tokens((b"X-Ours", b"filtered"), ignored=frozenset((b"x-ours",)))
