"""Operators' commands: `python -m cli.<command> --help`."""
