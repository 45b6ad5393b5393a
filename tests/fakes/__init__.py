"""Fakes of other systems, shared by several suites."""
