"""How far our scanner and real SpamAssassin agree: `python bench/filter_agreement.py [--sample N] [--dumps FILE...] [--list N]`.

Both read the same rules (filter_rules_directories, or what is installed), without network and Bayes. A pair is a message and a rule
that either side hits, rules within metas (`__NAME`) among them. The goals: 99.5 % of pairs alike, 99 % of scores within 0.1. What
differs is listed by rule, the worst first. Messages: the `dev` archives of ../shared/data/mail (or GATEPOST_DATA).
"""

import argparse
import json
import os
import random
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gatepost.filter.facts import Facts, Request
from gatepost.filter.match import compiled
from gatepost.filter.port import Session
from gatepost.filter.rules import reading
from gatepost.filter.scan import Limits, Scanner

DATA = Path(os.environ.get("GATEPOST_DATA", Path(__file__).parents[2] / "shared" / "data"))
ARCHIVES = ("ham", "spam", "phish")
NEAR = 0.1
"""Points by which scores may differ."""

# What SpamAssassin's library says of each file that it is given a name of: a line of JSON.
PERL = r"""
use strict; use warnings; use Mail::SpamAssassin; use JSON::PP;
my ($rules, $site) = @ARGV;
my $json = JSON::PP->new->latin1->canonical;
my $sa = Mail::SpamAssassin->new({ local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null',
  rules_filename => $rules, site_rules_filename => $site, post_config_text => "use_bayes 0\nuse_auto_welcomelist 0\n" });
$sa->init(1);
$| = 1;
while (my $file = <STDIN>) {
  chomp $file;
  open my $in, '<:raw', $file or die "$file: $!"; my $octets = do { local $/; <$in> }; close $in;
  my $mail = $sa->parse($octets, 1); my $status = $sa->check($mail);
  my %hits = map { $_ => 1 } @{$status->{test_names_hit}}, @{$status->{subtest_names_hit}};
  print $json->encode({ file => $file, score => $status->get_score() + 0, hits => [sort keys %hits] }), "\n";
  $status->finish(); $mail->finish();
}
"""


class Tally:
    """What differs."""

    def __init__(self) -> None:
        self.messages = self.pairs = self.near = 0
        self.missing: Counter[str] = Counter()
        self.extra: Counter[str] = Counter()
        self.example: dict[str, str] = {}

    def add(self, file: str, ours: Facts, hits: set[str], score: float) -> None:
        """Count one message; `hits`, `score`: SpamAssassin's."""
        own = {hit.rule for hit in ours.hits}
        self.messages += 1
        self.pairs += len(own | hits)
        self.near += abs(ours.score - score) <= NEAR
        for counter, sign, rules in ((self.missing, "-", hits - own), (self.extra, "+", own - hits)):
            counter.update(rules)
            for rule in rules:
                self.example.setdefault(sign + rule, file)

    def report(self, most: int) -> Iterator[str]:
        """The figures, and the rules that differ most: `-` where we do not hit, `+` where SpamAssassin does not."""
        differing = self.missing.total() + self.extra.total()
        yield f"{self.messages} messages, {self.pairs} pairs: {100 - 100 * differing / max(self.pairs, 1):.2f} % alike"
        yield f"scores within {NEAR}: {100 * self.near / max(self.messages, 1):.2f} %"
        signed = [("-" + rule, count) for rule, count in self.missing.items()]
        signed += [("+" + rule, count) for rule, count in self.extra.items()]
        for rule, count in sorted(signed, key=lambda one: -one[1])[:most]:
            yield f"{count:6} {rule:<40} {self.example[rule]}"


def unpacked(folder: Path, sample: int) -> list[str]:
    """A sample of the messages, as files below `folder`."""
    for name in ARCHIVES:
        with tarfile.open(DATA / "mail" / "dev" / f"{name}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    files = sorted(map(str, folder.rglob("*.eml")))
    random.Random(1).shuffle(files)
    return files[:sample] if sample else files


def of_spamassassin(files: Sequence[str], rules: Sequence[Path]) -> Iterator[Mapping[str, Any]]:
    """What real SpamAssassin says of these."""
    command = ["perl", "-e", PERL, str(rules[0]), str(rules[-1])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="latin-1") as perl:
        assert perl.stdin
        assert perl.stdout
        for file in files:
            perl.stdin.write(f"{file}\n")
            perl.stdin.flush()
            yield json.loads(perl.stdout.readline())
        perl.stdin.close()


def of_dumps(dumps: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """What it said before: lines of JSON with `file`, `score` and `hits`."""
    for dump in dumps:
        with open(dump, encoding="latin-1") as lines:
            yield from (said for line in lines if "hits" in (said := json.loads(line)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", type=int, default=500, help="messages, 0 for all")
    parser.add_argument("--dumps", nargs="*", default=[], help="files of what SpamAssassin said, instead of asking it")
    parser.add_argument("--rules", nargs="*", type=Path, default=[], help="folders of rules, instead of those that are installed")
    parser.add_argument("--list", type=int, default=50, help="rules that are listed")
    given = parser.parse_args()
    rules = given.rules or reading.installed()
    ruleset = reading.read(rules, local=True)
    scanner = Scanner(ruleset, compiled.compiled(ruleset), Limits())
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        said = of_dumps(given.dumps) if given.dumps else of_spamassassin(unpacked(Path(folder), given.sample), rules)
        for one in said:
            facts = scanner.scan(Path(one["file"]).read_bytes(), Request(Session()))
            tally.add(one["file"], facts, set(one["hits"]), float(one["score"]))
    print("\n".join(tally.report(given.list)))


if __name__ == "__main__":
    main()
