"""The server's side of an integration: tokens for pages, addresses for providers, and reports.

`herald_client.server.models` and `herald_client.server.submitting` need SQLAlchemy, and
`herald_client.server.autogenerate` is for Alembic. They are imported separately.
"""

from herald_client.server.callbacks import Callbacks
from herald_client.server.reports import NotReported, report_failure
from herald_client.server.tokens import mint_token

__all__ = ["Callbacks", "NotReported", "mint_token", "report_failure"]
