"""Herald's rules: everything the handlers in app/app.py do, independent of Chalice."""

__version__ = "0.1.0"
