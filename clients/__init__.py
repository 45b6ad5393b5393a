"""Herald's clients, and the suite that tests any client."""
