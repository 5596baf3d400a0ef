"""`gatepost check`: what is wrong with a configuration, before mail meets it."""
