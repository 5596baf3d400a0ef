"""What may vary is put away, the rest must be equal: normalisation as the recordings' README says, and comparison of logs."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable

_TIME = "[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10}"
_NUMBER = "[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]+"
_ID = f"{_TIME}z{_NUMBER}"
QUEUE_ID = re.compile(rf"(?<![0-9A-Za-z]){_ID}(?![0-9A-Za-z])")
# What both sides may say each in its own way: sizes (an id stands in Received and in Message-Id, and ours is longer), how a built
# table is called, the OpenSSL in use.
_EITHER = (
    (re.compile(r"\b(SIZE|size)=\d+"), r"\1={N}"),
    (re.compile(r'"(arrival_time|message_size)": \d+'), r'"\1": {N}'),
    (re.compile(r"^((?: *\d+ )?message_size:)(?: +\d+){6}$", re.MULTILINE), r"\1 {N}"),
    (re.compile(r"^ +\d+ (?=[*\w\t]|$)", re.MULTILINE), "{OFFSET} "),  # postcat -o
    (re.compile(r"\bdeferred/(?:\{H\}|[0-9A-F])/"), "deferred/"),  # a folder of queue files
    (re.compile(r"\bmessage size \d+ exceeds"), "message size {N} exceeds"),
    (re.compile(r"^ARG \d{3,}$", re.MULTILINE), "ARG {N}"),  # ${size} of pipe(8)
    (re.compile(r"\.(?:lm)?db(?=: duplicate entry)"), ".{DB}"),
    (re.compile(r"^OpenSSL \d+\.\d+\.\d+[a-z]* +\d+ [A-Z][a-z]{2} \d{4}$", re.MULTILINE), "OpenSSL {VERSION}"),
)
_RULES = (
    (re.compile(rf"{_ID}\.\d+/"), "{BOUNDARY}/"),
    (re.compile(rf"<(?:\d{{14}}\.)?{_ID}@"), "<{MSGID}@"),
    (re.compile(r"[A-Z][a-z]{2}, [ \d]?\d [A-Z][a-z]{2} 20(?:2[5-9]|3\d) \d\d:\d\d:\d\d [+-]\d{4}(?: \([A-Z]+\))?"), "{DATE}"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d 20(?:2[5-9]|3\d)"), "{CTIME}"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?! \d{4})"), "{TIME}"),
    (re.compile(r"/tmp/\d+\.P[A-Za-z0-9]+\.mail\b"), "/tmp/{FILE}"),  # of a Maildir
    (re.compile(r"\bdelay=[\d.]+, delays=[\d./]+"), "delay={D}, delays={D}"),
    (re.compile(r"(postfix[^ \[]*)\[\d+\]"), r"\1[{PID}]"),
    *_EITHER,
)
_WILD = re.compile(r"\\\{(?:VAR|CIPHER|FILE|TIME|DATE|CTIME|CHALLENGE|PID|L\d|HOSTNAME|QID|MSGID|BOUNDARY)\\\}")


def normal(text: str) -> str:
    """`text` with everything that varies from run to run replaced by the recordings' placeholders (queue ids by {QID})."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return QUEUE_ID.sub("{QID}", text)


def wanted(text: str) -> str:
    """A recorded text with what both sides say in their own way put away, and a number that was taken for a queue id."""
    text = re.sub(r"(?<=space in mail queue: )\{Q\d+\}", "{VAR}", text)
    text = re.sub(r"(?<=TLS library problem: error:)\{Q\d+\}", "{VAR}", text)
    for pattern, replacement in _EITHER:
        text = pattern.sub(replacement, text)
    return text


def breaks_off(log: list[str]) -> bool:
    """Whether a recording ended before Postfix had ended the session: the farewell and a notice to postmaster are not in it."""
    lost = any(": lost connection after " in line for line in log)
    return lost and not any(": disconnect from " in line for line in log)


def after_the_end(line: str) -> bool:
    """What Postfix says of a session once the recording has broken off."""
    return ": disconnect from " in line or re.search(r"cleanup\[.*: message-id=", line) is not None


def unfolded(text: str) -> str:
    """A text that names {HOME}, without its folding: that depends on the length of the real path."""
    return re.sub(r"\s+", " ", text) if "{HOME}" in text else text


def same(want: str, got: str) -> bool:
    """Equal, where a placeholder of `want` stands for anything on one line."""
    if want == got:
        return True
    return re.fullmatch(_WILD.sub("[^\\\\n]*?", re.escape(want)), got) is not None


def log_difference(want: list[str], got: list[str]) -> list[str]:
    """Lines of a log that are missing or too many; the order does not count, and queue ids are matched up as fits best."""
    ours = ("postfix/master[", "postfix/postfix-script[")  # what the start and stop of a case say is in no recording
    got = [line for line in got if not line.startswith(ours) or any(same(one, log_line(line)) for one in want)]
    ids = list(dict.fromkeys(itertools.chain.from_iterable(QUEUE_ID.findall(line) for line in got)))
    plain = [log_line(line) for line in got]
    want = [wanted(line) for line in want]
    numbers = sorted({int(n) for line in want for n in re.findall(r"\{Q(\d+)\}", line)})
    numbers += range(100, 100 + max(0, len(ids) - len(numbers)))  # ids that no recorded line can have
    best: list[str] | None = None
    for order in itertools.islice(itertools.permutations(numbers, len(ids)), 720):
        named = [_named(line, dict(zip(ids, order, strict=True))) for line in plain]
        difference = multiset_difference(want, named)
        if best is None or len(difference) < len(best):
            best = difference
        if not best:
            break
    return best or []


def log_line(line: str) -> str:
    for pattern, replacement in _RULES:
        line = pattern.sub(replacement, line)
    return line


def _named(line: str, numbers: dict[str, int]) -> str:
    return QUEUE_ID.sub(lambda match: f"{{Q{numbers[match[0]]}}}" if match[0] in numbers else match[0], line)


def multiset_difference(want: Iterable[str], got: Iterable[str]) -> list[str]:
    """`- ` lines that are missing and `+ ` lines that are too many."""
    missing, extra = Counter(want) - Counter(got), Counter(got) - Counter(want)
    for line in list(missing.elements()):
        match = next((candidate for candidate in extra if extra[candidate] and same(line, candidate)), None)
        if match is not None:
            missing[line] -= 1
            extra[match] -= 1
    return [f"- {line}" for line in missing.elements()] + [f"+ {line}" for line in extra.elements()]


def listing(text: str) -> str:
    """A queue listing with its columns closed up: their width depends on the form of the queue id; so does the size."""
    lines = []
    for line in text.splitlines():
        if line.startswith("-") and "Queue ID" in line:
            line = "-Queue ID-"
        elif re.match(r"\{(Q\d+|QID)\}", line):
            line = re.sub(r"^(\S+?[*!#]?)\s+\d+\s+", r"\1 {N} ", line)
        lines.append(re.sub(r"\s+", " ", line))
    return "\n".join(lines)


def read_log(path: str) -> list[str]:
    """The lines of a log without time stamp and host."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    return [re.sub(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ ", "", line) for line in lines]
