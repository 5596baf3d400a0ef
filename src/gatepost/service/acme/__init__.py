"""The process that has certificates issued and renewed by ACME, and what is kept for it."""
