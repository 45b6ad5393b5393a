"""Herald's errors.

HeraldError
├── SettingError            an environment variable is missing or malformed
├── Refused                 the caller's request is refused; has the HTTP status of the response
├── Unauthorized            the credential is missing or invalid
├── ForbiddenOrigin         the page's origin is not on the allow-list
├── Revoked                 the credential was issued before the user's sessions were revoked
├── OverBudget              the user's budget for replays is used up for now
├── InvalidEvent            a queue message is not an event of Herald
├── InvalidDsn              the database secret's value is not a DSN
├── NotRecorded             a report that SNS passed on was not recorded
├── DatabaseError           a database transaction failed
│   ├── DatabaseUnavailable every attempt failed, or time ran out; a later attempt may succeed
│   └── DatabaseRejected    PostgreSQL rejected the data; the same data never succeeds
├── CopyFailed              an output of a generation could not be copied
├── PublishFailed           every attempt to publish an event to SNS failed, or time ran out
├── LookupFailed            a provider's API gave no usable answer about a generation
└── ServiceError            a service called by the engine answered with an error
"""


class HeraldError(Exception):
    """The base class of all errors that Herald raises deliberately."""


class SettingError(HeraldError):
    """An environment variable is missing or malformed; the message names it."""


class Refused(HeraldError):
    """The caller's request is refused.

    `status` is the HTTP status, `code` a stable identifier of the reason, and `field` the invalid
    field.
    """

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field


class Unauthorized(HeraldError):
    """The credential is missing or invalid."""


class ForbiddenOrigin(HeraldError):
    """The Origin header of the browser is not on the allow-list."""


class Revoked(HeraldError):
    """The credential was issued before an operator revoked the user's sessions."""


class OverBudget(HeraldError):
    """A replay exceeds the user's budget; after `retry_after_ms`, the client may ask again."""

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(f"the replay budget is used up for {retry_after_ms} ms")
        self.retry_after_ms = retry_after_ms


class InvalidEvent(HeraldError):
    """A queue message is not a valid event; the error names the invalid attribute."""


class InvalidDsn(HeraldError):
    """A DSN has none of the forms that Herald accepts; the message does not quote the DSN."""


class NotRecorded(HeraldError):
    """A report that SNS passed on was not recorded; Lambda invokes the function again."""


class DatabaseError(HeraldError):
    """A database transaction failed.

    The message contains PostgreSQL's code, constraint and primary message, but never its DETAIL,
    which quotes rows.
    """


class DatabaseUnavailable(DatabaseError):
    """Every attempt failed, or time ran out; the same transaction may succeed later."""


class DatabaseRejected(DatabaseError):
    """PostgreSQL rejected the data, because of a constraint, a trigger or a data type.

    The same transaction fails again until the operator changes the schema.
    """


class HeadsNotKept(HeraldError):
    """Heads of streams could not be stored in the inbox."""


class PublishFailed(HeraldError):
    """Every attempt to publish an event to SNS failed, or time ran out.

    `blames_request` is true if SNS refused the content of the request, which can never succeed.
    """

    def __init__(self, message: str, *, blames_request: bool = False) -> None:
        super().__init__(message)
        self.blames_request = blames_request


NO_ANSWER = "no answer from the provider's API; in a VPC, look-ups need NAT"


class LookupFailed(HeraldError):
    """A provider's API did not say how a generation is; the schedule asks again.

    `status` is the HTTP status, or 0 without an answer. `retry_after` is in seconds.
    """

    def __init__(self, status: int, retry_after: float | None = None, *, reason: str = "") -> None:
        answered = f"the provider answered {status}" if status else NO_ANSWER
        super().__init__(reason or answered)
        self._reason = reason
        self.status = status
        self.retry_after = retry_after

    @property
    def blames_key(self) -> bool:
        """Whether the provider refuses our API key."""
        return self.status in (401, 403)

    @property
    def is_silent(self) -> bool:
        """Whether there was no answer at all."""
        return self.status == 0 and not self._reason


class CopyFailed(HeraldError):
    """An output of a generation could not be copied.

    `code` is a stable identifier of the reason. `permanent` is true if another attempt would fail
    in the same way.
    """

    def __init__(self, code: str, detail: str, *, permanent: bool = False) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.permanent = permanent

    @property
    def in_progress(self) -> bool:
        """Whether only the time of this attempt ran out; the next one goes on."""
        return self.code == "out_of_time"


class ServiceError(HeraldError):
    """An AWS service or the issuer's key server answered with an error.

    `code` is AWS's name for the error. `status` is the HTTP status, or 0 without a response.
    `blames_request` is true if the content of the request was refused, so that the same request can
    never succeed.
    """

    def __init__(
        self, service: str, status: int, code: str, *, blames_request: bool = False
    ) -> None:
        super().__init__(f"{service} answered {status or 'nothing'}: {code}")
        self.service = service
        self.status = status
        self.code = code
        self.blames_request = blames_request
