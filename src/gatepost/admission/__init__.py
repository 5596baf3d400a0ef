"""The one way into the queue: what any service hands in is a draft, which passes that service's stages (cleanup(8))."""
