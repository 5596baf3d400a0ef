"""`gatepost posttls-finger`: what TLS a mail server offers, and whether its certificate would do, as posttls-finger(1) shows it."""

import sys
from collections.abc import Sequence

from gatepost.cli.command import Command, Fatal, octets, run

_OPTIONS = "a:cCd:F:g:h:k:K:l:L:o:p:P:s:t:T:vw"
_UNTRUSTED = 1


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 where there is no session as secure as was asked for, for a wrong option too."""
    import getopt

    try:
        options, operands = getopt.gnu_getopt(octets(argv[1:]), _OPTIONS)
    except getopt.GetoptError as error:
        return _usage(f"{error.msg}\n")
    if not operands:
        return _usage("")
    command = Command("posttls-finger")
    return run(command, lambda: _finger(command, options, operands[0], operands[1:]), failure=_UNTRUSTED)


def _usage(why: str) -> int:
    sys.stderr.write(why + _HOW)
    return _UNTRUSTED


_HOW = """\
usage: posttls-finger [-cCw] [-l level] [-p protocols] [-g grade] [-d digest] [-F CAfile] [-P CApath] [-s servername]
       [-k certfile] [-K keyfile] [-t timeout] [-a ipv4|ipv6|any] [-o name=value] domain|[host]:port [name|fingerprint ...]
"""


def _finger(command: Command, options: list[tuple[str, str]], destination: str, match: list[str]) -> int:
    from gatepost.config.values import seconds
    from gatepost.deliver.finger import FAMILIES, Finger, Refused, Wanted
    from gatepost.deliver.smtp_settings import SmtpSettings
    from gatepost.deliver.tls_level import BadTlsPolicy, parse_level
    from gatepost.proto.smtp.grammar import printable

    given = dict(options)
    if given.get("-a", "any") not in FAMILIES:
        raise Fatal(f"bad '-a' option value: {given['-a']}", logged=False)
    overrides = dict(_assignment(value) for option, value in options if option == "-o")
    for option, name in _PARAMETERS.items():
        if option in given:
            overrides |= dict.fromkeys(name.split(), given[option])
    try:
        wanted = Wanted(
            level=parse_level(given.get("-l", "secure")),
            match=tuple(match),
            servername=given.get("-s", ""),
            digest=given.get("-d", "sha256"),
            wrapped="-w" in given,
            time_limit=seconds(given.get("-t", "30s")),
            family=given.get("-a", "any"),
            talks="-c" not in given,
            shows_chain="-C" in given,
        )
        settings = command.configuration.view(SmtpSettings, overrides)
        for line in Finger(wanted, settings).look(destination):
            print(line if "\n" in line else f"posttls-finger: {printable(line)}", flush=True)
    except (BadTlsPolicy, ValueError) as error:
        raise Fatal(str(error), logged=False) from None
    except Refused as refused:
        print(f"posttls-finger: {printable(str(refused))}", flush=True)
        return _UNTRUSTED
    return 0


_PARAMETERS = {
    "-F": "smtp_tls_CAfile",
    "-P": "smtp_tls_CApath",
    "-g": "smtp_tls_ciphers smtp_tls_mandatory_ciphers",
    "-p": "smtp_tls_protocols smtp_tls_mandatory_protocols",
    "-k": "smtp_tls_cert_file",
    "-K": "smtp_tls_key_file",
}
"""Options that stand for parameters."""


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Fatal(f"-o {text}: a name=value is needed", logged=False)
    return name.strip(), value.strip()
