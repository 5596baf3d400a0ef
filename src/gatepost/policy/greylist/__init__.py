"""Greylisting: who has not been seen before is asked to come again later (postgrey(8), RFC 6647)."""
