"""SMTP and LMTP: grammar, verb table, replies, and the server and client cores (RFC 5321, RFC 2033)."""
