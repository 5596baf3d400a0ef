"""The quarantine: mail that is kept from its recipients, with what is known of it, until somebody looks or its time is over."""
