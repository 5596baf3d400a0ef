"""The durable queue: store, scheduler, results, and the reports about them (bounces, delay warnings)."""
