"""Access to the DynamoDB tables: the inbox of each user, open connections, and API keys."""
