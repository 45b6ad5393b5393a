"""From the queue to the inbox and the open connections."""
