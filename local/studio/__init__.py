"""The studio: stands in for the integrator, with its page and its generation provider."""
