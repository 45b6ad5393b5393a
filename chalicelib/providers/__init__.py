"""Generation providers: checks whether a webhook is authentic, and reads what it reports. No I/O.

Each provider is a module with an `ADAPTER`. registry.py imports only the requested module.
docs/providers.md explains how to write an adapter.
"""
