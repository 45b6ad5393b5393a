"""Dead letters: events that were not delivered."""
