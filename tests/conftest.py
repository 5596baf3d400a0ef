"""What all suites have in common."""

from hypothesis import settings

# How long an example takes on a clock says more of the machine's load than of the code.
settings.register_profile("gatepost", deadline=None)
settings.load_profile("gatepost")
