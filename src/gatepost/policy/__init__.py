"""Restrictions: facts in, a verdict with its trace out. One file per family of restrictions."""
