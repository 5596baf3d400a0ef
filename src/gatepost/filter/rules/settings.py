"""Settings of rule files that are no rules: all that Conf(3pm) and the pages of the plugins list.

Their values are kept as they stand for whoever needs them; what a setting means stands with its reader, here is only which
there are and how they are written.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final

from gatepost.filter.rules.literals import Untranslatable
from gatepost.filter.rules.perl import translated


class Form(Enum):
    """How a setting is written, and what a second line does: the last of the single ones counts, those of MANY and LINES add up."""

    SWITCH = "yes or no"
    NUMBER = "a number"
    DURATION = "a duration"
    TEXT = "a text"
    MANY = "a value"
    PATTERN = "a pattern"
    LINES = "a line of text"
    PLAIN = "nothing"


_SWITCHES: Final = """
    allow_user_rules always_trust_envelope_sender asn_prefer_geodb asn_use_dns asn_use_geodb
    auto_welcomelist_distinguish_signed bayes_auto_expire bayes_auto_learn bayes_auto_learn_on_error
    bayes_learn_during_report bayes_learn_to_journal bayes_sql_username_authorized bayes_use_hapaxes dmarc_save_reports
    do_not_use_mail_spf do_not_use_mail_spf_query fold_headers ignore_always_matching_regexps ignore_received_spf_header
    normalize_charset olemacro_extended_scan olemacro_prefer_contentdisposition parse_dkim_uris phishing_uri_noparam
    run_reuse_tests_only skip_rbl_checks skip_uribl_checks txrep_spf txrep_track_messages uridnsbl_skip_mailto
    url_shortener_loginfo use_auto_welcomelist use_bayes use_bayes_rules use_dcc use_dcc_rep use_learner
    use_newest_received_spf_header use_pyzor use_txrep user_scores_fallback_to_global
"""

_NUMBERS: Final = """
    auto_welcomelist_factor auto_welcomelist_file_mode auto_welcomelist_ipv4_mask_len auto_welcomelist_ipv6_mask_len
    bayes_auto_learn_threshold_nonspam bayes_auto_learn_threshold_spam bayes_expiry_max_db_size bayes_file_mode
    bayes_journal_max_size bayes_max_token_length bayes_min_ham_num bayes_min_spam_num body_part_scan_size dcc_body_max
    dcc_fuz1_max dcc_fuz2_max dcc_learn_score dcc_rep_percent dkim_minimum_key_bits dns_block_time extracttext_maxparts
    extracttext_timeout fns_check fns_extrachars freemail_add_describe_email freemail_import_def_welcomelist_auth
    freemail_import_welcomelist_auth freemail_max_body_emails freemail_max_body_freemails freemail_skip_bulk_envfrom
    freemail_skip_when_over_max max_short_url_redirections max_short_urls olemacro_max_file olemacro_num_mime
    olemacro_num_zip olemacro_zip_depth phishing_phishstats_minscore pyzor_count_min pyzor_fork pyzor_max pyzor_perl
    pyzor_welcomelist_factor pyzor_welcomelist_min rawbody_part_scan_size razor_fork report_safe report_wrap_width
    required_score resource_limit_cpu resource_limit_mem shortcircuit_ham_score shortcircuit_max_spam_score
    shortcircuit_min_ham_score shortcircuit_spam_score spamcop_max_report_size textcat_acceptable_score
    textcat_max_languages textcat_max_ngrams textcat_optimal_ngrams trigger_ratio txrep_autolearn txrep_dilution_factor
    txrep_expiry_days txrep_factor txrep_ipv4_mask_len txrep_ipv6_mask_len txrep_learn_bonus txrep_learn_penalty
    txrep_report_details txrep_weight_domain txrep_weight_email txrep_weight_email_ip txrep_weight_helo txrep_weight_ip
    txrep_welcomelist_out uridnsbl_max_domains url_shortener_cache_autoclean url_shortener_cache_ttl url_shortener_timeout
    use_razor2
"""

_DURATIONS: Final = """
    bayes_seen_ttl bayes_token_ttl dcc_timeout dkim_timeout dns_test_interval pyzor_timeout razor_timeout
    spf_timeout time_limit
"""

_TEXTS: Final = """
    asn_prefix authres_networks auto_welcomelist_db_modules auto_welcomelist_factory auto_welcomelist_path bayes_path
    bayes_sql_dsn bayes_sql_override_username bayes_sql_password bayes_sql_username bayes_store_module country_db_path
    country_db_type dcc_dccifd_path dcc_home dcc_options dcc_path dccifd_options dns_available dns_local_ports_avoid
    dns_local_ports_permit envelope_sender_header geodb_module hashbl_email_regex hashbl_email_welcomelist
    inactive_languages lock_method mbox_format_from_regex ok_languages ok_locales olemacro_download_marker olemacro_exts
    olemacro_macro_exts olemacro_skip_ctypes olemacro_skip_exts olemacro_zips phishing_openphish_feed
    phishing_phishstats_feed phishing_phishtank_feed pyzor_options pyzor_path pyzor_server_file razor_config rbl_headers
    report_charset report_contact report_hostname spamcop_from_address spamcop_relayhost spamcop_to_address trigger_config
    txrep_factory txrep_user2global_ratio uri_country_db_isp_path uri_country_db_path url_shortener_cache_dsn
    url_shortener_cache_password url_shortener_cache_type url_shortener_cache_username url_shortener_user_agent user_awl_dsn
    user_awl_sql_override_username user_awl_sql_password user_awl_sql_table user_awl_sql_username user_scores_dsn
    user_scores_ldap_password user_scores_ldap_username user_scores_sql_custom_query user_scores_sql_password
    user_scores_sql_username
"""

_MANY: Final = """
    add_header reuse dns_query_restriction dns_server adsp_override all_spam_to asn_lookup asn_lookup_ipv6
    authres_ignored_authserv authres_trusted_authserv bayes_ignore_from bayes_ignore_header bayes_ignore_to
    bayes_stopword_languages bayes_token_sources blocklist_from blocklist_subject blocklist_to blocklist_uri_host
    def_welcomelist_auth def_welcomelist_from_dkim def_welcomelist_from_rcvd def_welcomelist_from_spf dns_block_rule
    dns_options enlist_addrlist enlist_uri_host extracttext_external extracttext_use fns_add_addrlist fns_ignore_dkim
    fns_ignore_headers freemail_domains freemail_welcomelist geodb_options geodb_search_path hashbl_email_domain_alias
    hashbl_ignore internal_networks more_spam_to msa_networks originating_ip_headers rbl_timeout redirector_pattern report
    report_safe_copy_headers rewrite_header shortcircuit subjprefix trigger_target trusted_networks unsafe_report
    uri_block_cc uri_block_cidr uri_block_cont uri_block_exclude uri_block_isp uridnsbl_skip_domain uridnsbl_timeout
    url_shortener url_shortener_get util_rb_2tld util_rb_3tld util_rb_tld version_tag welcomelist_allows_relays
    welcomelist_auth welcomelist_bounce_relays welcomelist_from welcomelist_from_dkim welcomelist_from_rcvd
    welcomelist_from_spf welcomelist_subject welcomelist_to welcomelist_uri_host
"""

FORMS: Final[dict[str, Form]] = {
    name: form
    for form, names in (
        (Form.SWITCH, _SWITCHES),
        (Form.NUMBER, _NUMBERS),
        (Form.DURATION, _DURATIONS),
        (Form.TEXT, _TEXTS),
        (Form.MANY, _MANY),
        (Form.PATTERN, "redirector_pattern"),
        (Form.LINES, "report unsafe_report"),
        (Form.PLAIN, "dns_local_ports_none"),
    )
    for name in names.split()
}

CLEARED: Final[dict[str, tuple[str, ...]]] = {
    "clear_asn_lookups": ("asn_lookup", "asn_lookup_ipv6"),
    "clear_dns_query_restriction": ("dns_query_restriction",),
    "clear_dns_servers": ("dns_server",),
    "clear_headers": ("add_header",),
    "clear_internal_networks": ("internal_networks",),
    "clear_msa_networks": ("msa_networks",),
    "clear_originating_ip_headers": ("originating_ip_headers",),
    "clear_report_template": ("report",),
    "clear_trusted_networks": ("trusted_networks",),
    "clear_unsafe_report_template": ("unsafe_report",),
    "clear_uridnsbl_skip_domain": ("uridnsbl_skip_domain",),
    "clear_url_shortener": ("url_shortener", "url_shortener_get"),
    "clear_util_rb": ("util_rb_tld", "util_rb_2tld", "util_rb_3tld"),
    "dns_local_ports_none": ("dns_local_ports_permit", "dns_local_ports_avoid"),
}
"""Lines that clear settings; some of them take values, and then clear those alone."""

TAKEN_BACK: Final[dict[str, str]] = {
    "fns_remove_addrlist": "fns_add_addrlist",
    "remove_header": "add_header",
    "unblocklist_from": "blocklist_from",
    "unwelcomelist_auth": "welcomelist_auth",
    "unwelcomelist_from": "welcomelist_from",
    "unwelcomelist_from_dkim": "welcomelist_from_dkim",
    "unwelcomelist_from_rcvd": "welcomelist_from_rcvd",
    "unwelcomelist_from_spf": "welcomelist_from_spf",
    "delist_uri_host": "enlist_uri_host",
}
"""Lines that take single values of a setting back."""

_STOPWORDS: Final = re.compile(r"bayes_stopword_[a-z]{2}\Z")
_VALUES: Final = {
    Form.SWITCH: re.compile(r"(?:[01]|yes|no)\Z", re.IGNORECASE),
    Form.NUMBER: re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)\Z"),
    Form.DURATION: re.compile(r"\d+(?:\.\d+)?\s*[smhdw]?\Z", re.IGNORECASE),
}
_TRUTH: Final = {"yes": "1", "no": "0"}


def present(word: str) -> str:
    """The present name of a setting: words have no dashes, and old names have gone."""
    name = word.lower().replace("-", "_").replace("whitelist", "welcomelist").replace("blacklist", "blocklist")
    return _RENAMED.get(name, name)


_RENAMED: Final = {
    "clear_dns_query_restrictions": "clear_dns_query_restriction",
    "required_hits": "required_score",
}


def known(name: str) -> bool:
    return name in FORMS or name in CLEARED or name in TAKEN_BACK or _STOPWORDS.match(name) is not None


class Options:
    """The settings while files are read."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}

    def take(self, name: str, value: str) -> None:
        """One line. Raises ValueError with what is wrong with it."""
        if name in CLEARED:
            self._clear(name, value)
        if name in TAKEN_BACK:
            self._take_back(TAKEN_BACK[name], value)
        elif name in FORMS or name not in CLEARED:
            self._set(name, FORMS.get(name, Form.TEXT), value)

    def frozen(self) -> dict[str, tuple[str, ...]]:
        return {name: tuple(values) for name, values in self._values.items() if values}

    def _set(self, name: str, form: Form, value: str) -> None:
        if form is Form.PLAIN:
            self._values[name] = ["1"]
            return
        if not value and form not in (Form.TEXT, Form.LINES):
            raise ValueError(f"{name} wants {form.value}")
        allowed = _VALUES.get(form)
        if allowed and not allowed.match(value):
            raise ValueError(f"{name} wants {form.value}, not {value[:60]}")
        if form is Form.PATTERN:
            try:
                translated(value)
            except Untranslatable as reason:
                raise ValueError(f"{name}: {reason}") from None
        if form in (Form.MANY, Form.PATTERN, Form.LINES):
            self._values.setdefault(name, []).append(value)
        else:
            self._values[name] = [_TRUTH.get(value.lower(), value) if form is Form.SWITCH else value]

    def _clear(self, name: str, value: str) -> None:
        gone = set(value.lower().split())
        for setting in CLEARED[name]:
            kept = self._without(setting, gone) if gone else []
            self._values[setting] = kept

    def _without(self, setting: str, gone: set[str]) -> list[str]:
        lines = (" ".join(word for word in line.split() if word.lower() not in gone) for line in self._values.get(setting, ()))
        return [line for line in lines if line]

    def _take_back(self, setting: str, value: str) -> None:
        """Each line of the setting loses the values named. Where lines are of pairs, the first word says whose line goes; a list's
        name in brackets holds for the lines of that list."""
        words = value.split()
        listed = words[0] if words and words[0].startswith("(") else ""
        gone = {word.lower() for word in words[bool(listed) :]}
        kept: list[str] = []
        for line in self._values.get(setting, ()):
            if listed and not line.startswith(listed):
                kept.append(line)
            else:
                kept += _rest(setting, line, gone)
        self._values[setting] = kept


_PAIRS: Final = frozenset(("welcomelist_from_rcvd", "welcomelist_from_dkim"))


def _rest(setting: str, line: str, gone: set[str]) -> Iterator[str]:
    words = line.split()
    if setting == "add_header":
        if not {word.lower() for word in words[:2]} <= gone:
            yield line
        return
    if setting in _PAIRS:
        if words and words[0].lower() not in gone:
            yield line
        return
    left = [word for word in words if word.lower() not in gone]
    if any(not word.startswith("(") for word in left):
        yield " ".join(left)
