"""Kept outputs: copies of generated files in S3, behind stable links."""
