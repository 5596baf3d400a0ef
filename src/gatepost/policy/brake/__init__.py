"""The brake for stolen passwords: what each login sends is counted, and held beyond a limit (decision 0041)."""
