"""A stranger follows docs/integrate/: a script runs its commands and saves its files."""
