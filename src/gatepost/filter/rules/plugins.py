"""The plugins of SpamAssassin as `loadplugin` names them: what each brings to rule files. Nothing is loaded and nothing is run.

A plugin that is named and known counts as loaded, so `ifplugin` and `can()` answer as they do with the real one.
"""

from typing import Final

from msgspec import Struct


class Plugin(Struct, frozen=True):
    """What a plugin brings.

    evals: its functions for `eval:` rules, without those of old names.
    features: its functions that `can()` asks for.
    words: kinds of rule lines that exist only with it.
    outside: why its functions are never run here, empty where they are.
    """

    evals: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    outside: str = ""

    @property
    def functions(self) -> frozenset[str]:
        return frozenset((*self.evals, *self.features))


_FEATURES: Final = """
    feature_bayes_auto_learn_on_error feature_bayes_stopwords feature_blocklist_welcomelist feature_bug6558_free
    feature_capture_rules feature_compile_regexp feature_dns_block_rule feature_dns_local_ports_permit_avoid
    feature_dns_query_restriction feature_edns feature_geodb feature_get_host feature_header_address_parser
    feature_header_first_last feature_header_match_many feature_local_tests_only feature_meta_rules_matching
    feature_originating_ip_headers feature_registryboundaries feature_subjprefix feature_uri_host_listed
    feature_welcomelist_blocklist feature_yesno_takes_args has_tflags_nolog has_tflags_nosubject perl_min_version_5010000
    """

FEATURES: Final = frozenset(_FEATURES.split())
"""Functions of Mail::SpamAssassin::Conf that `can()` and `has()` find."""

_SERVICE: Final = "asks a service that is outside of Gatepost"
_NOT_HERE: Final = "is of a plugin that Gatepost does not have"


def _plugin(evals: str = "", features: str = "", words: str = "", outside: str = "") -> Plugin:
    return Plugin(tuple(evals.split()), tuple(features.split()), tuple(words.split()), outside)


PLUGINS: Final[dict[str, Plugin]] = {
    "ASN": _plugin("check_asn", features="has_asn_geodb has_asn_lookup_ipv6 has_check_asn has_check_asn_tag", outside=_NOT_HERE),
    "AWL": _plugin("check_from_in_auto_welcomelist", outside=_NOT_HERE),
    "AccessDB": _plugin("check_access_database", outside=_NOT_HERE),
    "AntiVirus": _plugin("check_microsoft_executable check_suspect_name", outside=_NOT_HERE),
    "AskDNS": _plugin(features="has_tag_header", words="askdns"),
    "AuthRes": _plugin("check_authres_result", outside=_NOT_HERE),
    "AutoLearnThreshold": _plugin(),
    "Bayes": _plugin("check_bayes"),
    "BodyEval": _plugin(
        """
        check_blank_line_ratio check_body_length check_stock_info multipart_alternative_difference
        multipart_alternative_difference_count plaintext_body_length plaintext_body_sig_ratio
        plaintext_sig_length tvd_vertical_words
        """,
        features="has_check_body_length has_plaintext_body_sig_ratio",
    ),
    "Check": _plugin(),
    "DCC": _plugin("check_dcc check_dcc_reputation_range", outside=_SERVICE),
    "DKIM": _plugin(
        """
        check_arc_signed check_arc_valid check_dkim_adsp check_dkim_dependable check_dkim_signall
        check_dkim_signed check_dkim_signsome check_dkim_testing check_dkim_valid check_dkim_valid_author_sig
        check_dkim_valid_envelopefrom check_dkim_verified check_for_def_dkim_welcomelist_from
        check_for_dkim_welcomelist_from
        """,
        features="has_arc",
    ),
    "DMARC": _plugin("""
        check_dmarc_missing check_dmarc_none check_dmarc_pass check_dmarc_quarantine check_dmarc_reject
        """),
    "DNSEval": _plugin(
        """
        check_dns_sender check_rbl check_rbl_accreditor check_rbl_envfrom check_rbl_from_domain
        check_rbl_from_host check_rbl_headers check_rbl_ns_from check_rbl_rcvd check_rbl_sub check_rbl_txt
        """,
        features="has_tflags_domains_only has_tflags_ips_only",
    ),
    "DecodeShortURLs": _plugin(
        """
        short_url short_url_200 short_url_404 short_url_chained short_url_code short_url_loop short_url_maxchain
        short_url_redir short_url_tests
        """,
        features="""
        has_autoclean has_clear has_get has_max_redirections has_short_url has_short_url_code
        has_short_url_redir has_timeout has_user_agent
        """,
        outside=_NOT_HERE,
    ),
    "ExtractText": _plugin(),
    "FreeMail": _plugin("check_freemail_body check_freemail_from check_freemail_header check_freemail_replyto"),
    "FromNameSpoof": _plugin(
        """
        check_fromname_contains_email check_fromname_different check_fromname_domain_differ
        check_fromname_equals_replyto check_fromname_equals_to check_fromname_owners_differ check_fromname_spoof
        """,
        outside=_NOT_HERE,
    ),
    "HTMLEval": _plugin("""
        check_iframe_src html_charset_faraway html_eval html_image_only html_image_ratio html_range
        html_tag_balance html_tag_exists html_test html_text_match html_text_not_match html_title_subject_ratio
        """),
    "HTTPSMismatch": _plugin("check_https_http_mismatch"),
    "HashBL": _plugin(
        """
        check_hashbl_attachments check_hashbl_bodyre check_hashbl_emails check_hashbl_tag check_hashbl_uris
        """,
        features="""
        has_hashbl_attachments has_hashbl_bodyre has_hashbl_bodyre_num has_hashbl_email_domain
        has_hashbl_email_domain_alias has_hashbl_email_regex has_hashbl_email_welcomelist
        has_hashbl_email_whitelist has_hashbl_emails has_hashbl_ignore has_hashbl_sha256 has_hashbl_tag
        has_hashbl_uris
        """,
    ),
    "HeaderEval": _plugin("""
        check_equal_from_domains check_for_fake_aol_relay_in_rcvd check_for_faraway_charset_in_headers
        check_for_forged_eudoramail_received_headers check_for_forged_gmail_received_headers
        check_for_forged_gw05_received_headers check_for_forged_hotmail_received_headers
        check_for_forged_juno_received_headers check_for_forged_yahoo_received_headers
        check_for_matching_env_and_hdr_from check_for_missing_to_header check_for_msn_groups_headers
        check_for_no_hotmail_received_headers check_for_shifted_date check_for_to_in_subject
        check_for_unique_subject_id check_header_count_range check_illegal_chars check_messageid_not_usable
        check_outlook_message_id check_ratware_envelope_from check_ratware_name_id check_unresolved_template
        gated_through_received_hdr_remover received_within_months similar_recipients sorted_recipients
        subject_is_all_caps
        """),
    "ImageInfo": _plugin("""
        image_count image_name_regex image_named image_size_exact image_size_range image_to_text_ratio
        pixel_coverage
        """),
    "MIMEEval": _plugin(
        """
        check_abundant_unicode_ratio check_base64_length check_for_ascii_text_illegal check_for_faraway_charset
        check_for_mime check_for_mime_html check_for_mime_html_only check_for_uppercase check_ma_non_text
        check_mime_multipart_ratio check_msg_parse_flags check_qp_ratio
        """,
        features="has_check_abundant_unicode_ratio has_check_for_ascii_text_illegal has_check_qp_ratio",
    ),
    "MIMEHeader": _plugin(
        features="""
        has_all_header has_capture_rules has_tflags_concat has_tflags_multiple has_tflags_range
        """,
        words="mimeheader",
    ),
    "OLEVBMacro": _plugin(
        """
        check_olemacro check_olemacro_csv check_olemacro_download_exe check_olemacro_encrypted
        check_olemacro_malice check_olemacro_mhtml_uri check_olemacro_redirect_uri check_olemacro_renamed
        check_olemacro_zip_password check_oleobject check_olertfobject
        """,
        features="has_olemacro_mhtml_uri has_olemacro_redirect_uri has_olertfobject",
        outside=_NOT_HERE,
    ),
    "OneLineBodyRuleType": _plugin(),
    "PDFInfo": _plugin(
        """
        pdf_count pdf_image_count pdf_image_size_exact pdf_image_size_range pdf_image_to_text_ratio
        pdf_is_empty_body pdf_is_encrypted pdf_match_details pdf_match_fuzzy_md5 pdf_match_md5 pdf_name_regex
        pdf_named pdf_pixel_coverage
        """,
        outside=_NOT_HERE,
    ),
    "PhishTag": _plugin(),
    "Phishing": _plugin("check_phishing", outside=_NOT_HERE),
    "Pyzor": _plugin("check_pyzor", features="has_fork has_perl", outside=_SERVICE),
    "Razor2": _plugin("check_razor2 check_razor2_range", features="has_fork", outside=_SERVICE),
    "RelayCountry": _plugin(),
    "RelayEval": _plugin("""
        check_all_trusted check_for_forged_received_ip_helo check_for_forged_received_trail
        check_for_from_domain_in_received_headers check_for_illegal_ip check_for_no_rdns_dotcom_helo
        check_for_numeric_helo check_for_sender_no_reverse check_no_relays check_relays_unparseable
        helo_ip_mismatch
        """),
    "ReplaceTags": _plugin(
        words="""
        replace_tag replace_pre replace_inter replace_post replace_rules replace_start replace_end
        """
    ),
    "ResourceLimits": _plugin(),
    "Reuse": _plugin(),
    "Rule2XSBody": _plugin(),
    "SPF": _plugin(
        """
        check_for_def_spf_welcomelist_from check_for_spf_fail check_for_spf_helo_fail check_for_spf_helo_neutral
        check_for_spf_helo_none check_for_spf_helo_pass check_for_spf_helo_permerror check_for_spf_helo_softfail
        check_for_spf_helo_temperror check_for_spf_neutral check_for_spf_none check_for_spf_pass
        check_for_spf_permerror check_for_spf_softfail check_for_spf_temperror check_for_spf_welcomelist_from
        check_spf_skipped_noenvfrom
        """,
        features="has_check_for_spf_errors has_check_spf_skipped_noenvfrom",
    ),
    "Shortcircuit": _plugin("check_shortcircuit", outside=_NOT_HERE),
    "SpamCop": _plugin(),
    "TextCat": _plugin("check_body_8bits check_language", outside=_NOT_HERE),
    "TxRep": _plugin("check_senders_reputation", outside=_NOT_HERE),
    "URIDNSBL": _plugin(
        "check_uridnsbl",
        features="""
        has_subtest_for_ranges has_tflags_domains_only has_tflags_notrim has_uridnsbl_a_ns has_uridnsbl_for_a
        has_uridnsbl_skip_mailto
        """,
        words="""
        uridnsbl uridnssub urirhsbl urirhssub urinsrhsbl urinsrhssub urifullnsrhsbl urifullnsrhssub
        """,
    ),
    "URIDetail": _plugin("check_uri_detail", features="has_host_key", words="uri_detail"),
    "URIEval": _plugin("check_for_http_redirector check_https_ip_mismatch check_uri_truncated"),
    "URILocalBL": _plugin("check_uri_local_bl", outside=_NOT_HERE),
    "VBounce": _plugin("check_welcomelist_bounce_relays have_any_bounce_relays"),
    "WLBLEval": _plugin("""
        check_forged_in_default_welcomelist check_forged_in_welcomelist check_from_in_blocklist
        check_from_in_default_welcomelist check_from_in_list check_from_in_welcomelist
        check_mailfrom_matches_rcvd check_replyto_in_list check_to_in_all_spam check_to_in_blocklist
        check_to_in_list check_to_in_more_spam check_to_in_welcomelist check_uri_host_in_blocklist
        check_uri_host_in_welcomelist check_uri_host_listed
        """),
    "WelcomeListSubject": _plugin("check_subject_in_blocklist check_subject_in_welcomelist"),
}

_RENAMED: Final = {"WhiteListSubject": "WelcomeListSubject", "Dmarc": "DMARC"}
_PREFIX: Final = "Mail::SpamAssassin::Plugin::"

OF_EVAL: Final[dict[str, str]] = {function: name for name, plugin in PLUGINS.items() for function in plugin.evals}
"""The plugin of each function of `eval:` rules."""


def short(name: str) -> str:
    """A plugin's name without what all have in front."""
    return name.strip().strip("'\"").removeprefix(_PREFIX)


def loaded_as(name: str) -> str:
    """The name under which a plugin of `loadplugin` counts as loaded; old names load the new one."""
    return _RENAMED.get(short(name), short(name))


def present_eval(function: str) -> str:
    """The present name of a function of `eval:` rules."""
    return function.replace("whitelist", "welcomelist").replace("blacklist", "blocklist")
