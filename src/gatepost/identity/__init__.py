"""Who a message says it comes from, and whether that is so: SPF now; DKIM, DMARC and ARC have their place here."""
