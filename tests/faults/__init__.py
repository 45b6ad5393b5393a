"""Injects every fault on the delivery path; a history checker looks for losses."""
