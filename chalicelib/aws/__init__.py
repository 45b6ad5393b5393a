"""Clients for the AWS services that Herald calls. They use the engine instead of an SDK (ADR 4)."""
