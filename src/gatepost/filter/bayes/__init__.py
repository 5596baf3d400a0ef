"""Bayes, as SpamAssassin has it: how probable it is, from the words of a message and those learned before, that it is spam."""
