"""The text of a message, as rules of SpamAssassin see it."""

from collections.abc import Mapping, Sequence

from gatepost.filter.port import HeaderView, Part, Text
from gatepost.filter.text.charsets import to_utf8
from gatepost.filter.text.paragraphs import chunks, paragraphs


def rendered(parts: Sequence[Part], headers: HeaderView, options: Mapping[str, Sequence[str]]) -> Text:
    """What is to be read in `parts`, with the Subject of `headers` before it.

    options: settings of rule files by name, the values of each in order (`body_part_scan_size`, `redirector_pattern` ...).
    """
    subject = headers.get("Subject") or b"\n"
    leaves = [part for part in parts if not part.composite]
    texts = [to_utf8(part.content, part.charset) if part.type.startswith("text/") else b"" for part in leaves]
    body = tuple(paragraphs(subject, texts))
    raw = tuple(chunk for part in leaves if part.type.startswith(("text/", "message/")) for chunk in chunks(part.content))
    return Text(body=body, raw_body=raw, visible=body)
