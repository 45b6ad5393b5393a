"""Sends many signed HTTP requests concurrently, from one thread over keep-alive connections (ADR
4).

This package implements AWS's signatures and HTTP/1.1. It does not depend on the rest of Herald.
"""
