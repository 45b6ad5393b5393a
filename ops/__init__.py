"""Operators' commands: `python -m ops.<command> --help`."""
