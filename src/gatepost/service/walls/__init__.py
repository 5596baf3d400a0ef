"""The walls around workers and showq: Landlock, seccomp, a limit of memory (docs/decisions/0011)."""
