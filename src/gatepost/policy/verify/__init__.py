"""Address verification (verify(8)): what is known of addresses, when it is asked for anew, and who may ask."""
