"""The message formats: events, and the frames of herald.v1 in both directions."""
