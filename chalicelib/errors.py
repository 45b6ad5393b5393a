"""Herald's errors.

HeraldError
├── SettingError            an environment variable is missing or malformed
├── Refused                 the caller's request is refused; has the HTTP status of the response
├── Unauthorized            the credential is missing or invalid
├── ForbiddenOrigin         the page's origin is not on the allow-list
├── InvalidEvent            a queue message is not an event of Herald
├── DatabaseUnavailable     PostgreSQL failed in every attempt, or the time ran out
├── PublishFailed           SNS refused an event in every attempt, or the time ran out
└── ServiceError            an AWS service called by the engine answered with an error
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


class InvalidEvent(HeraldError):
    """A queue message is not an event of Herald; the message names the attribute."""


class DatabaseUnavailable(HeraldError):
    """PostgreSQL failed in every attempt, or the time ran out."""


class PublishFailed(HeraldError):
    """SNS refused an event in every attempt, or the time ran out.

    `blames_request` is true if SNS refused the content of the request, which can never succeed.
    """

    def __init__(self, message: str, *, blames_request: bool = False) -> None:
        super().__init__(message)
        self.blames_request = blames_request


class ServiceError(HeraldError):
    """An AWS service answered with an error.

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
