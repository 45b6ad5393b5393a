"""Herald's errors.

HeraldError
├── SettingError            an environment variable is missing or malformed
├── Refused                 the caller's request is refused; carries the HTTP status to answer
├── Unauthorized            no credential, or one that does not hold
├── ForbiddenOrigin         the page's origin is not on the allow-list
├── Revoked                 the credential was issued before the user's sessions were revoked
├── OverBudget              the user's replays have used up their budget for now
├── InvalidEvent            a queue message is not an event of Herald
├── InvalidDsn              the database secret's value is not a DSN
├── DatabaseError           PostgreSQL did not do its part
│   ├── DatabaseUnavailable within the tries and the time; the same may succeed later
│   └── DatabaseRejected    because of what the transaction holds; the same never succeeds
├── PublishFailed           SNS did not accept an event within the tries and the time
└── ServiceError            a service called by the engine answered with an error
"""


class HeraldError(Exception):
    """Base of every error that Herald raises on purpose."""


class SettingError(HeraldError):
    """An environment variable is missing or malformed; the message names it."""


class Refused(HeraldError):
    """The request is refused: `status` is the HTTP status, `code` a stable word, `field` the
    culprit.
    """

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field


class Unauthorized(HeraldError):
    """There is no credential, or the one given does not hold."""


class ForbiddenOrigin(HeraldError):
    """The browser's Origin is not on the allow-list."""


class Revoked(HeraldError):
    """The credential was issued before an operator revoked the user's sessions."""


class OverBudget(HeraldError):
    """A replay exceeds the user's budget; `retry_after_ms` says when to ask again."""

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(f"the replay budget is used up for {retry_after_ms} ms")
        self.retry_after_ms = retry_after_ms


class InvalidEvent(HeraldError):
    """A queue message is not an event of Herald; the message names the attribute."""


class InvalidDsn(HeraldError):
    """A DSN has none of the forms that Herald takes; the message does not quote it."""


class DatabaseError(HeraldError):
    """PostgreSQL did not do its part.

    The message holds PostgreSQL's code, constraint and primary message, but never its DETAIL, which
    quotes rows.
    """


class DatabaseUnavailable(DatabaseError):
    """PostgreSQL failed every try, or the time was over; the same may succeed later."""


class DatabaseRejected(DatabaseError):
    """PostgreSQL refused what the transaction holds: a constraint, a trigger or a data type.

    The same fails until the operator changes the schema.
    """


class PublishFailed(HeraldError):
    """SNS did not accept an event within the tries and the time given.

    `blames_request` says that it refused what the request holds: the same will never succeed.
    """

    def __init__(self, message: str, *, blames_request: bool = False) -> None:
        super().__init__(message)
        self.blames_request = blames_request


class ServiceError(HeraldError):
    """A service of AWS, or the issuer's key server, answered with an error.

    `code` is its type and `status` the HTTP status (0: no answer); `blames_request` says that the
    same request will never succeed.
    """

    def __init__(
        self, service: str, status: int, code: str, *, blames_request: bool = False
    ) -> None:
        super().__init__(f"{service} answered {status or 'nothing'}: {code}")
        self.service = service
        self.status = status
        self.code = code
        self.blames_request = blames_request
