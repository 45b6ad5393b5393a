"""Compares recorded AWS requests with AWS's own models and documented limits.

The emulator of a stack records each request (local/emulator_record.py). `decode` determines the
operation and the parameters of a request. `shapes` compares the parameters with botocore's model of
that operation. `rules` has the documented limits that the models lack. `policy` derives the
permissions that the deploying role needs.
"""
