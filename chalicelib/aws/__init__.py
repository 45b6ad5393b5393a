"""AWS services as Herald calls them, through the engine instead of an SDK (ADR 4)."""
