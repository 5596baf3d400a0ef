"""SPF (RFC 7208): may this client send mail in the name of this domain? The evaluator asks for DNS answers and is told them."""
