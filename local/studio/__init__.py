"""The studio plays the integrator: a page for the user, and a generation provider."""
