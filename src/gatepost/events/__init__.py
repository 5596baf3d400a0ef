"""What happens, as typed records, and their renderings: the Postfix-format log and JSON lines."""
