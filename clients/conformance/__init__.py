"""Tests whether a client meets the requirements of docs/protocol.md: see docs/conformance.md.

The suite needs nothing of Herald but its contract, contracts/asyncapi.yaml.
"""
