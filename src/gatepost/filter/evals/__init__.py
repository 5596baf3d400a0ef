"""The functions of `eval:` rules: a file a plugin of SpamAssassin, each with its table EVALS; registry.py has them all."""
