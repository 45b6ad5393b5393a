"""The smoke test: one synthetic generation, from its database row to a WebSocket client."""
