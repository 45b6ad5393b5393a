"""The application: everything that the handlers in app/app.py do. It does not depend on Chalice."""
