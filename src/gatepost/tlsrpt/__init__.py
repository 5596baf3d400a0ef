"""Reports about TLS to those whose mail servers we deliver to (RFC 8460, TLS-RPT; decision 0044)."""
