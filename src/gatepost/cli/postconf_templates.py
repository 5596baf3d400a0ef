"""`postconf -b` and `-t`: the templates of notices (bounce(5)), built in or from a file, with their `$` names expanded or not."""

import os
import sys
from collections.abc import Iterator

from gatepost.cli.postconf_options import Fatal, Options
from gatepost.cli.postconf_reading import warn
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.loading import read
from gatepost.queue.notice_templates import Template, built_in, expanded, load
from gatepost.queue.notices import NoticeSettings, unicode_domain


def run(options: Options) -> int:
    """Show the templates; 0, or 1 where the file cannot be read. Raises Fatal."""
    if len(options.arguments) > 1:
        raise Fatal("options -b and -t require at most one template file")
    configuration = read(options.directory)
    try:
        settings = configuration.view(NoticeSettings)
    except ConfigurationError as error:
        raise Fatal(str(error)) from None
    path = options.arguments[0] if options.arguments else settings.bounce_template_file
    if path and not os.access(path, os.R_OK):
        try:
            open(path).close()
        except OSError as error:  # in the words and the name of the daemon that would use it
            sys.stderr.write(f"postfix/bounce: fatal: open {path}: {error.strerror}\n")
            return 1
    templates = load(path, built_in(settings.header_from_format), warn).values()
    texts = (_expanded(configuration, settings, one) if options.has("b") else _as_written(one) for one in templates)
    sys.stdout.write("\n".join(texts))
    return 0


def _as_written(template: Template) -> str:
    return "\n".join((f"{template.kind}_template = <<EOF", *_headers(template), "", f"{template.text}EOF\n"))


def _headers(template: Template) -> Iterator[str]:
    yield f"Charset: {template.charset}"
    yield f"From: {template.sender}"
    yield f"Subject: {template.subject}"
    if template.postmaster_subject:
        yield f"Postmaster-Subject: {template.postmaster_subject}"


def _expanded(configuration: Configuration, settings: NoticeSettings, template: Template) -> str:
    times = {"delay_warning_time": settings.delay_warning_time, "maximal_queue_lifetime": settings.maximal_queue_lifetime}
    names = {"myhostname": settings.myhostname, "mydomain": settings.mydomain}
    if settings.smtputf8_enable:
        names = {name: unicode_domain(domain) for name, domain in names.items()}
    text = expanded(template, times, names, configuration.expand, warn)
    return f"expanded_{template.kind}_text = <<EOF\n{text}EOF\n"
