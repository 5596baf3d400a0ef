"""How tools speak to a running Gatepost."""
