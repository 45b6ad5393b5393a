"""Many signed HTTP requests at once, from one thread over kept-alive connections (ADR 4).

This package knows AWS's signature and HTTP/1.1, and nothing of Herald.
"""
