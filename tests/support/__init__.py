"""What tests of several rooms share: fakes that keep the promises of the ports."""
