"""The generation provider's webhook: its signature and its body.

Signatures follow Standard Webhooks (https://www.standardwebhooks.com). The signature is checked
over the raw bytes, before anything is parsed.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StrictInt, ValidationError, model_validator
from standardwebhooks import Webhook, WebhookVerificationError

from chalicelib.aws.lambda_events import HttpEvent
from chalicelib.errors import Refused

MAX_BODY_BYTES = 32_768
MAX_ID_CHARACTERS = 256


def _no_nul(text: str) -> str:
    if "\0" in text:  # PostgreSQL's text cannot hold it
        raise ValueError("must not contain the NUL character")
    return text


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.netloc:
        raise ValueError("must be an http or https URL")
    return text


Code = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_no_nul)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_no_nul)]
Message = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_no_nul)]
Address = Annotated[
    str, Field(max_length=2048), AfterValidator(_no_nul), AfterValidator(_web_address)
]
Pixels = Annotated[StrictInt, Field(ge=1, le=65_535)]


class GenerationError(BaseModel):
    """Why a generation failed, in the provider's words."""

    code: Code = "generation_failed"
    message: Message = "The generation failed."


class GenerationResult(BaseModel):
    """What the provider reports: `POST /callbacks/generations`."""

    generation_id: UUID = Field(alias="generationId")
    status: Literal["COMPLETE", "ERROR"]
    image_url: Address | None = Field(None, alias="imageUrl")
    image_height: Pixels | None = Field(None, alias="imageHeight")
    image_width: Pixels | None = Field(None, alias="imageWidth")
    core_model: Name | None = Field(None, alias="coreModel")
    error: GenerationError | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "GenerationResult":
        if self.status == "ERROR":
            self.error = self.error or GenerationError()
            return self
        for name, value in (
            ("imageUrl", self.image_url),
            ("imageHeight", self.image_height),
            ("imageWidth", self.image_width),
        ):
            if value is None:
                raise FieldError(name, "is required when status is COMPLETE")
        if self.error is not None:
            raise FieldError("error", "must be absent when status is COMPLETE")
        return self


class FieldError(ValueError):
    """Two fields contradict each other; names the one at fault."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field


def body_of(event: HttpEvent) -> bytes:
    """Return the raw body of an HTTP API event.

    Raises
    ------
    Refused
        413 when it is over MAX_BODY_BYTES, 400 when it is not valid base64.
    """
    body = event.get("body") or ""
    try:
        raw = (
            base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        )
    except (binascii.Error, UnicodeEncodeError) as exc:
        raise Refused(400, "bad_encoding", "The body could not be decoded.") from exc
    if len(raw) > MAX_BODY_BYTES:
        raise Refused(413, "body_too_large", f"The body is over {MAX_BODY_BYTES} bytes.")
    return raw


def verify(headers: Mapping[str, str], body: bytes, secrets: str) -> str:
    """Check the signature against each of the active secrets and return the webhook-id.

    Parameters
    ----------
    headers
        The request's headers, names in lower case.
    secrets
        One or more `whsec_…` separated by white space: two while a secret is being rotated.

    Raises
    ------
    Refused
        401 when a header is missing, the time is more than five minutes off, or no signature is
        valid.
    """
    webhook_id = headers.get("webhook-id", "")
    for webhook in [Webhook(secret) for secret in secrets.split()]:
        try:
            webhook.verify(body, dict(headers), json_parse=False)
        except (
            WebhookVerificationError,
            ValueError,
        ):  # ValueError: a header or body that cannot be decoded
            continue
        if len(webhook_id) > MAX_ID_CHARACTERS or "\0" in webhook_id:
            break
        return webhook_id
    raise Refused(
        401,
        "bad_signature",
        "The headers webhook-id, webhook-timestamp and webhook-signature are not a valid signature "
        "of this body (Standard Webhooks, five minutes' tolerance).",
    )


def parse(body: bytes | Mapping[str, object]) -> GenerationResult:
    """Read the provider's report, from raw JSON or from an object.

    Raises
    ------
    Refused
        422, naming the first field at fault.
    """
    try:
        if isinstance(body, bytes):
            return GenerationResult.model_validate_json(body)
        return GenerationResult.model_validate(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, FieldError):
            raise Refused(422, "invalid_body", str(cause), cause.field) from exc
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise Refused(422, "invalid_body", f"{field}: {first['msg']}", field) from exc
