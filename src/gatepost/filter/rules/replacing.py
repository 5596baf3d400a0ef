"""Tags in patterns of rules that `replace_rules` names (Mail::SpamAssassin::Plugin::ReplaceTags(3pm))."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from gatepost.filter.rules.literals import Untranslatable
from gatepost.filter.rules.perl import LONGEST

DEEPEST: Final = 8
"""Tags within tags."""
LONGEST_NAME: Final = 64

_WORDS: Final = ("tag", "pre", "inter", "post")


class Tags:
    """What `replace_tag`, `replace_pre`, `replace_inter`, `replace_post`, `replace_start` and `replace_end` say."""

    def __init__(self) -> None:
        self.rules: dict[str, str] = {}
        self._values: dict[str, dict[str, str]] = {word: {} for word in _WORDS}
        self._start, self._end = "<", ">"

    def take(self, word: str, value: str, where: str) -> None:
        """One line; `word` without `replace_`. Raises ValueError."""
        if word == "start":
            self._start = value
        elif word == "end":
            self._end = value
        elif word == "rules":
            self.rules.update(dict.fromkeys(value.split(), where))
        else:
            name, _, expression = value.replace("\t", " ").partition(" ")
            if not name or not expression.strip():
                raise ValueError(f"replace_{word} wants a name and an expression")
            self._values[word][name] = expression.strip()

    def replaced(self, pattern: str) -> str:
        """A pattern with the expressions of its tags, and of the tags in those. Raises Untranslatable where it becomes too long."""
        start, end = re.escape(self._start), re.escape(self._end)
        around: dict[str, str] = {}

        def mark(found: re.Match[str]) -> str:
            around[found.group(1)] = self._values[found.group(1)].get(found.group(2), "")
            return ""

        pattern = re.sub(f"{start}(pre|inter|post) ([^\\s]{{1,{LONGEST_NAME}}}?){end}", mark, pattern)
        if any(around.values()):
            pattern = _surrounded(re.compile(f"{start}\\w{{1,{LONGEST_NAME}}}{end}"), pattern, around)
        names = "|".join(map(re.escape, self._values["tag"])) or "(?!)"
        tag = re.compile(f"{start}({names}){end}")
        for _ in range(DEEPEST):
            if not tag.search(pattern):
                break
            pattern = _joined(self._expressions(tag, pattern))
        return pattern

    def _expressions(self, tag: re.Pattern[str], pattern: str) -> Iterator[str]:
        at = 0
        for found in tag.finditer(pattern):
            yield pattern[at : found.start()]
            yield self._values["tag"][found.group(1)]
            at = found.end()
        yield pattern[at:]


def _surrounded(tag: re.Pattern[str], pattern: str, around: Mapping[str, str]) -> str:
    """The pattern with what comes before, between and after tags, known ones or not."""

    def pieces() -> Iterator[str]:
        at = 0
        for found in tag.finditer(pattern):
            yield pattern[at : found.start()]
            if 0 < at == found.start():
                yield around.get("inter", "")
            yield from (around.get("pre", ""), found.group(), around.get("post", ""))
            at = found.end()
        yield pattern[at:]

    return _joined(pieces())


def _joined(pieces: Iterator[str]) -> str:
    """Raises Untranslatable."""
    kept: list[str] = []
    length = 0
    for piece in pieces:
        kept.append(piece)
        length += len(piece)
        if length > LONGEST:
            raise Untranslatable(f"the pattern is longer than {LONGEST} octets")
    return "".join(kept)
