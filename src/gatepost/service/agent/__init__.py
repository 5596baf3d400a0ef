"""The agent: what it does with privileges, and what decides whether it does (docs/decisions/0004)."""
