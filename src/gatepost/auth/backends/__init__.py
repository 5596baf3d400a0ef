"""Back ends: who knows whether a password is right. A file each; which of them are asked, and in what order: choice.py."""
