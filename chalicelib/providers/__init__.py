"""Checks whether generation providers' webhooks are authentic, and reads their reports. No I/O.

Each provider is a module with an `ADAPTER`. registry.py imports only the requested module.
docs/providers.md explains how to write an adapter.
"""
