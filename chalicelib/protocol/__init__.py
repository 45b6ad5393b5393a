"""What travels on the wire: events, and the frames of herald.v1 in both directions."""
