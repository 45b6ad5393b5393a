"""The DynamoDB tables: what each user is to receive, who is connected, and API keys."""
