"""From a webhook to a published event: the transaction, the outbox and the relay."""
