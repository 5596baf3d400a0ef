"""A message scanned: which rules hit, and what else there is to know of it. Pure computing, without files, network or a clock of
the wall; whatever a message is like, the work is bounded.

Rules are asked by kind: patterns over a text all at once (match/), functions one by one, meta rules over what the others say at
last.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from gatepost.filter.archives.listing import listed
from gatepost.filter.archives.port import ArchiveFacts, ArchiveLimits
from gatepost.filter.bayes.port import Memory
from gatepost.filter.evals import mime_header, uri_detail
from gatepost.filter.evals.registry import EVALS
from gatepost.filter.examination import Examination, Knowledge
from gatepost.filter.facts import Facts, Pending, Request, ScoredHit, Unexamined
from gatepost.filter.learner.store import Weights
from gatepost.filter.match import compiled
from gatepost.filter.match.compiled import Databases
from gatepost.filter.match.group import Group, Search
from gatepost.filter.match.prefilter import Compiled, Prefilter
from gatepost.filter.match.search import Budget, Expressions
from gatepost.filter.names.asking import Asking
from gatepost.filter.names.questions import Lookups, rules_of
from gatepost.filter.port import Hit, Uri
from gatepost.filter.rules.metas import Metas
from gatepost.filter.rules.ruleset import BAYES, Call, Kind, Rule, Ruleset, score_set
from gatepost.filter.text.parts import parts
from gatepost.filter.text.uris.domains import domains
from gatepost.lookup.matching import Unanswered

_LEAST_LEARNED: Final = 200
_MOST_TOLD: Final = 100
"""Rules that could not be answered, or raised, of which the facts tell."""


class Limits(Struct, frozen=True):
    """filter_scan_size_limit (octets, 0 for any), filter_scan_pattern_time_limit (seconds), filter_archive_*, filter_dns_limit
    (names that rules may ask for, 0 where nothing is asked of the DNS)."""

    size: int = 0
    pattern_seconds: float = 5.0
    archives: ArchiveLimits = ArchiveLimits()
    names: int = 0


class Learned(Struct, frozen=True):
    """What Bayes has learned, and the learner; None where they are not to be asked."""

    memory: Memory | None = None
    weights: Weights | None = None


NOTHING_LEARNED: Final = Learned()


class Scanner:
    """Scans messages by one ruleset.

    databases: those of its patterns, where they have been made.
    learned: what Bayes and the learner know.
    """

    def __init__(self, ruleset: Ruleset, databases: Databases | None, limits: Limits, learned: Learned = NOTHING_LEARNED) -> None:
        self._limits = limits
        self._knowledge = Knowledge(ruleset.options, learned.memory, learned.weights)
        self._set = score_set(net=limits.names > 0, bayes=_knows_enough(learned.memory, ruleset))
        self._asking = _asking(ruleset, self._set, limits.names) if limits.names else None
        self._rules = {rule.name: rule for rule in ruleset.active(self._set)}
        self._groups = dict(_groups(ruleset, self._rules, databases, self._knowledge.expressions))
        self._exists = [rule for rule in self._rules.values() if rule.exists]
        self._calls = [(rule, rule.call) for rule in self._rules.values() if rule.call is not None]
        self._about_uris = [rule for rule in self._rules.values() if rule.conditions]
        self._metas = Metas(ruleset, self._set)

    def scan(self, octets: bytes, request: Request) -> Facts:
        """The facts of a message. Raises MemoryError."""
        scan = _Scan(octets, request, self._knowledge, self._limits)
        if request.spam:
            with scan.stage("patterns"):
                for group in self._groups.items():
                    scan.match(*group)
                for rule in self._exists:
                    scan.look_for(rule)
            with scan.stage("evals"):
                for rule, call in self._calls:
                    scan.call(rule, call)
                for rule in self._about_uris:
                    scan.look_at_uris(rule)
            if self._asking is not None:
                scan.ask(self._asking)
            scan.count(self._metas)
        if request.attachments:
            scan.list_files(self._limits.archives)
        return scan.facts(self._rules, self._set)


def _asking(ruleset: Ruleset, scores: int, most: int) -> Asking:
    known = domains(*(ruleset.option(f"util_rb_{level}") for level in ("tld", "2tld", "3tld")))
    return Asking(ruleset, scores, most, lambda host: known.registered(host) or host)


def _knows_enough(memory: Memory | None, ruleset: Ruleset) -> bool:
    """Whether Bayes has learned so much that it says something (bayes_min_ham_num, bayes_min_spam_num)."""
    if memory is None:
        return False
    known = memory.learned()
    least = [int(ruleset.last(f"bayes_min_{kind}_num", str(_LEAST_LEARNED))) for kind in ("ham", "spam")]
    return known.ham >= least[0] and known.spam >= least[1]


def _groups(
    ruleset: Ruleset, active: Mapping[str, Rule], databases: Databases | None, expressions: Expressions
) -> Iterator[tuple[str, Group]]:
    made = databases.groups if databases is not None else {}
    for name, patterns in compiled.patterns(ruleset).items():
        database = made.get(name) or Compiled(b"", tuple(range(len(patterns))))
        skipped = frozenset(index for index, pattern in enumerate(patterns) if pattern.rule not in active)
        yield name, Group(patterns, Prefilter(database), expressions, over_all=compiled.over_all(name), skipped=skipped)


class _Scan:
    """One message under way."""

    def __init__(self, octets: bytes, request: Request, knowledge: Knowledge, limits: Limits) -> None:
        octets = octets.replace(b"\r\n", b"\n")
        self._whole = octets
        self._knowledge = knowledge
        self._archives = ArchiveFacts()
        self._left_out: list[Unexamined] = []
        if limits.size and len(octets) > limits.size:
            why = f"rules see {limits.size} of {len(octets)} octets"
            self._left_out.append(Unexamined("body", "", why))
            octets = octets[: limits.size]
        budget = Budget(limits.pattern_seconds)
        self._examined = Examination(octets, request.session, knowledge, budget)
        self.stage = self._examined.stage
        self._request = request
        self._found: dict[str, Hit] = {}
        self._faults: list[str] = []
        self._lookups = Lookups()
        self._waiting: tuple[str, ...] = ()
        costs: dict[str, float] | None = {} if request.explain else None
        self._search = Search(budget, self._untold, costs)

    def _untold(self, rule: str, why: str) -> None:
        if len(self._left_out) < _MOST_TOLD:
            self._left_out.append(Unexamined("rule", rule, why))

    def match(self, name: str, group: Group) -> None:
        """Look for the patterns of a group."""
        texts = self._texts(name)
        hits = group.hits_unset(self._search) if texts is None else group.hits(texts, self._search)
        for hit in hits:
            self._found[hit.rule] = hit

    def _texts(self, name: str) -> tuple[bytes, ...] | None:
        """What a group looks at; None where there is no such header."""
        if name.startswith(compiled.OF_HEADER):
            value = self._examined.headers.get(name.removeprefix(compiled.OF_HEADER))
            return None if value is None else (value,)
        if name.startswith(compiled.OF_PARTS):
            header, *flags = name.removeprefix(compiled.OF_PARTS).split()
            return tuple(mime_header.values(self._examined, header, flags))
        if name == Kind.FULL:
            return (self._examined.octets,)
        text = self._examined.text
        if name == Kind.URI:
            return tuple(_spellings(text.uris))
        return text.body if name == Kind.BODY else text.raw_body

    def look_for(self, rule: Rule) -> None:
        """Whether a header is there."""
        if (self._examined.headers.get(rule.header) is not None) is not rule.negated:
            self._found[rule.name] = Hit(rule.name)

    def call(self, rule: Rule, call: Call) -> None:
        """Ask the function of a rule. What it raises is no hit."""
        function = EVALS.get(call.function)
        if function is None:
            return
        clock, costs = self._search.clock, self._search.costs
        began = clock() if costs is not None else 0.0
        self._examined.kind = rule.kind.value
        try:
            count = function(self._examined, call.arguments)
        except MemoryError:
            raise
        except Unanswered as why:
            self._untold(rule.name, str(why))
            return
        except Exception as fault:  # of ours: one rule is lost, and no message
            if len(self._faults) < _MOST_TOLD:
                self._faults.append(f"{rule.name}: {call.function}: {type(fault).__name__}: {fault}")
            return
        if costs is not None:
            costs[rule.name] = clock() - began
        if count:
            self._found[rule.name] = Hit(rule.name, int(count), self._examined.notes.get(rule.name, b""))

    def look_at_uris(self, rule: Rule) -> None:
        """Whether a URI meets the conditions of a rule."""
        try:
            uri = uri_detail.meets(rule.conditions, self._examined.text.uris, self._examined.matches)
        except Unanswered as why:
            self._untold(rule.name, str(why))
            return
        if uri is not None:
            self._found[rule.name] = Hit(rule.name, matched=uri.raw)

    def ask(self, asking: Asking) -> None:
        """Gather what rules want to know of the DNS."""
        with self._examined.stage("names"):
            self._lookups = asking.lookups(self._examined)
        if self._lookups.left_out:
            self._left_out.append(Unexamined("names", "", f"{self._lookups.left_out} more than filter_dns_limit"))

    def count(self, metas: Metas) -> None:
        """Count the meta rules; those that hang on answers of the DNS wait for them."""
        asked = tuple(dict.fromkeys(rules_of(self._lookups)))
        with self._examined.stage("metas"):
            counts = {name: hit.count for name, hit in self._found.items()}
            outcome = metas.evaluate(counts, open_names=asked)
            for name in outcome.hits:
                self._found[name] = Hit(name)
        self._waiting = (*asked, *outcome.waiting)

    def list_files(self, limits: ArchiveLimits) -> None:
        """List the files of the whole message, and of archives in it."""
        examined = self._examined
        with examined.stage("archives"):
            cut = len(examined.octets) < len(self._whole)
            self._archives = listed(parts(self._whole) if cut else examined.parts, len(self._whole), limits)

    def facts(self, rules: Mapping[str, Rule], scores: int) -> Facts:
        """All of it."""
        hits = tuple(_scored(rules[name], hit, scores, explain=self._request.explain) for name, hit in sorted(self._found.items()))
        waiting = [rules[name] for name in self._waiting]
        return Facts(
            hits=hits,
            score=round(sum(hit.score * _times(rules[hit.rule], hit) for hit in hits), 3),
            score_set=scores,
            lookups=self._lookups,
            pending=tuple(Pending(_scored(rule, Hit(rule.name), scores, explain=False), rule.expression) for rule in waiting),
            archives=self._archives,
            bayes=self._examined.bayesian if self._request.spam and scores & BAYES else None,
            learner=self._examined.learned if self._request.spam and _has_learned(self._knowledge.weights) else None,
            unexamined=tuple(self._left_out),
            faults=tuple(self._faults),
            seconds=self._examined.seconds,
            costs=self._search.costs or {},
        )


def _times(rule: Rule, hit: ScoredHit) -> int:
    """How often its score counts: at each match of a pattern under `tflags multiple`, but once for what a function counts."""
    return hit.count if rule.pattern is not None and "multiple" in rule.flags else 1


def _has_learned(weights: Weights | None) -> bool:
    """Whether the learner knows mail of both kinds: before, it has nothing to say."""
    return weights is not None and min(weights.now.ham, weights.now.spam) > 0


def _spellings(uris: tuple[Uri, ...]) -> Iterator[bytes]:
    """What `uri` rules see, each once."""
    seen: dict[bytes, None] = {}
    for uri in uris:
        seen.update(dict.fromkeys((uri.raw, *uri.cleaned)))
    yield from seen


def _scored(rule: Rule, hit: Hit, scores: int, *, explain: bool) -> ScoredHit:
    score = 0.0 if rule.subrule else rule.scores[scores]
    matched = hit.matched if explain else b""
    return ScoredHit(rule.name, score, hit.count, rule.flags, rule.kind.value, rule.description, matched)
