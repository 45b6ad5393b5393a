"""Generation providers: whether a webhook is authentic, and what it reports. No I/O.

Each provider is one module with an `ADAPTER`; registry.py imports only the module it is asked for.
How to write one: docs/providers.md.
"""
