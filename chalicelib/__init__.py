"""Herald's rules: everything the handlers in app/app.py do, independent of Chalice."""
