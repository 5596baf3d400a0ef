"""Tags in patterns of rules that `replace_rules` names (Mail::SpamAssassin::Plugin::ReplaceTags(3pm))."""

import re
from typing import Final

from gatepost.filter.rules.literals import Untranslatable
from gatepost.filter.rules.perl import LONGEST

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
        """A pattern with the expressions of its tags. Raises Untranslatable where it becomes too long."""
        around: dict[str, str] = {}
        for word in _WORDS[1:]:
            for name, expression in self._values[word].items():
                marker = f"{self._start}{word} {name}{self._end}"
                if marker in pattern:
                    around[word] = expression
                    pattern = pattern.replace(marker, "")
        tag = re.compile(
            f"{re.escape(self._start)}({'|'.join(map(re.escape, self._values['tag'])) or '(?!)'}){re.escape(self._end)}"
        )
        pieces: list[str] = []
        at = length = 0
        for found in tag.finditer(pattern):
            between = pattern[at : found.start()]
            adjacent = at > 0 and not between
            pieces += (between, around.get("inter", "") if adjacent else "", around.get("pre", ""))
            pieces += (self._values["tag"][found.group(1)], around.get("post", ""))
            length += sum(map(len, pieces[-5:]))
            if length > LONGEST:
                raise Untranslatable(f"the pattern is longer than {LONGEST} octets")
            at = found.end()
        return "".join((*pieces, pattern[at:]))
