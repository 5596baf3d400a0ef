"""Restriction lists from text to rules, once at load time (SMTPD_ACCESS_README, RESTRICTION_CLASS_README)."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from gatepost.config.values import split
from gatepost.mail.reason import because
from gatepost.policy.evaluation import Decision, Evaluation, Rule
from gatepost.policy.restrictions import ROWS
from gatepost.policy.restrictions.basic import misconfigured, nothing
from gatepost.policy.restrictions.rows import Row
from gatepost.policy.sources import Materials

# After these nothing in the same list is reached.
_FINAL = frozenset({"permit", "reject", "defer"})

_WARN_IF_REJECT = "warn_if_reject"


class Complaint(Struct, frozen=True):
    """What is wrong with a list: the parameter that holds it, and what to do.

    `unknown`: the restriction that is asked for and not there, so that something would pass it unseen; else empty."""

    parameter: str
    text: str
    remedy: str
    unknown: str = ""


class Compiler:
    """Turns lists into rules. `classes`: the definition of each of smtpd_restriction_classes, by name.

    Whatever is wrong with a list is kept in `faults`; the list still compiles, to rules that refuse with 451 as
    Postfix's do.
    """

    def __init__(self, materials: Materials, classes: Mapping[str, str]) -> None:
        self._materials = materials
        self._classes = classes
        self._compiled: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._open: set[tuple[str, str]] = set()
        self.faults: list[Complaint] = []
        self._parameter = ""

    def compile(self, value: str, parameter: str = "", access: str = "") -> tuple[Rule, ...]:
        """The rules of a list. `parameter`: where it stands, for faults. `access`: the restriction that a bare
        `type:table` means, empty where the list must not hold one."""
        self._parameter = parameter
        words = iter(split(value))
        rules: list[Rule] = []
        for word in words:
            warn_only = word.lower() == _WARN_IF_REJECT
            if warn_only:
                following = next(words, None)
                if following is None:
                    break
                word = following
            rule = self._rule(word, words, access, warn_only)
            rules.append(replace(rule, why=because(rule.name)))
        self._note_ignored(rules)
        return tuple(rules)

    def _rule(self, word: str, words: Iterator[str], access: str, warn_only: bool) -> Rule:
        name = word.lower()
        if (row := ROWS.get(name)) is not None:
            return self._known(name, row, words, warn_only)
        if ":" in word:
            return self._table(word, access, warn_only)
        if word in self._classes:
            return self._class(word, access, warn_only)
        self._fault(told := f'unknown smtpd restriction: "{word}"', _nearest(word) if self._parameter else "", word)
        return Rule(word, misconfigured, None, "", warn_only, told)

    def _known(self, name: str, row: Row, words: Iterator[str], warn_only: bool) -> Rule:
        if row.argument is None:
            return Rule(name, row.check, None, row.needs, warn_only)
        text = next(words, "")
        try:
            argument = row.argument.compile(self._materials, text)
        except ValueError:
            told = row.argument.complaint.format(name=name, text=text or name)
            self._fault(told, "write what must follow its name", "" if row.argument.refuses else name)
            return Rule(name, misconfigured if row.argument.refuses else nothing, None, "", warn_only, told)
        return Rule(f"{name} {text}", row.check, argument, row.needs, warn_only)

    def _table(self, word: str, access: str, warn_only: bool) -> Rule:
        if not access:
            remedy = "only lists of clients, names, senders and recipients know what to look up in a table"
            return self._broken(word, f'specify a check_..._access restriction before "{word}"', remedy, warn_only)
        row = ROWS[access]
        return Rule(word, row.check, self._materials.tables.open(word), row.needs, warn_only)

    def _class(self, name: str, access: str, warn_only: bool) -> Rule:
        key = (name, access)
        if key in self._open:
            told = f"restriction class `{name}' is defined in terms of itself"
            return self._broken(name, told, "take one of the two out of the other", warn_only)
        if key not in self._compiled:
            parameter = self._parameter
            self._open.add(key)
            self._compiled[key] = self.compile(self._classes[name], name, access)
            self._open.discard(key)
            self._parameter = parameter
        return Rule(name, run_class, self._compiled[key], warn_only=warn_only)

    def _broken(self, name: str, complaint: str, remedy: str, warn_only: bool) -> Rule:
        self._fault(complaint, remedy)
        return Rule(name, misconfigured, None, "", warn_only, complaint)

    def _note_ignored(self, rules: list[Rule]) -> None:
        for rule, following in pairwise(rules):
            if rule.name in _FINAL and not rule.warn_only:
                self._fault(f"restriction `{following.name}' after `{rule.name}' is ignored", "remove one of them")

    def _fault(self, text: str, remedy: str, unknown: str = "") -> None:
        """Results of tables, which are compiled while mail is coming, have no parameter to complain about."""
        if self._parameter:
            self.faults.append(Complaint(self._parameter, text, remedy, unknown))


def _nearest(word: str) -> str:
    """What to do about a restriction that nobody knows."""
    from difflib import get_close_matches  # for people only: not while mail is coming

    near = get_close_matches(word.lower(), ROWS, 1)
    return f"perhaps you mean {near[0]}" if near else "correct its name, or define it in smtpd_restriction_classes"


async def run_class(e: Evaluation, rules: tuple[Rule, ...]) -> Decision:
    """A restriction class: its list, about whatever the list that names it is about."""
    return await e.run(rules, e.subject)
