"""Recording of results: the webhook, the transaction, the outbox, publishing and the relay."""
