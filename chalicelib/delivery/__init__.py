"""Delivery of events from the queue to the inbox and to open connections."""
