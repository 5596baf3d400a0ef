"""Certificates by ACME (RFC 8555): an account, an order, its challenges, and when to renew."""
