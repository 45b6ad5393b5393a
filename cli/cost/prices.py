"""The list prices of AWS and of other services, in US dollars, without free tiers.

`./herald cost --prices` prints them. `--price NAME=AMOUNT` replaces one, for example with the price
of another Region or of your contract.
"""

from typing import Literal, NamedTuple

REGION = "us-east-1"
CHECKED = "2026-11-23"
MILLION = 1e6

Basis = Literal["read", "recalled"]


class Price(NamedTuple):
    """A price of `amount` dollars for `per` units.

    `basis` is `read` if the price was read from a copy of the page or from a report about it. It is
    `recalled` if it was written from memory, as a list price that has not changed for many years.
    Compare a recalled price with the page.
    """

    amount: float
    per: float
    unit: str
    page: str
    basis: Basis


def _aws(name: str) -> str:
    return f"https://aws.amazon.com/{name}/pricing/"


_GATEWAY, _LAMBDA, _DYNAMODB = _aws("api-gateway"), _aws("lambda"), _aws("dynamodb")
_CLOUDWATCH, _KMS, _IOT = _aws("cloudwatch"), _aws("kms"), _aws("iot-core")
_S3, _CLOUDFRONT = _aws("s3"), _aws("cloudfront")
_APPSYNC, _ABLY = _aws("appsync"), "https://ably.com/docs/platform/pricing/resource-based"

PRICES = {
    # Herald
    "websocket-message": Price(1.00, MILLION, "messages of 32 KB", _GATEWAY, "read"),
    "websocket-message-over-1e9": Price(0.80, MILLION, "messages of 32 KB", _GATEWAY, "read"),
    "websocket-minute": Price(0.25, MILLION, "connection-minutes", _GATEWAY, "read"),
    "http-request": Price(1.00, MILLION, "requests of 512 KB", _GATEWAY, "read"),
    "http-request-over-3e8": Price(0.90, MILLION, "requests of 512 KB", _GATEWAY, "read"),
    "lambda-request": Price(0.20, MILLION, "requests", _LAMBDA, "recalled"),
    "lambda-gb-second": Price(16.6667, MILLION, "GB-seconds (x86)", _LAMBDA, "recalled"),
    "lambda-gb-second-arm": Price(13.3334, MILLION, "GB-seconds (arm64)", _LAMBDA, "recalled"),
    "sns-publish": Price(0.50, MILLION, "publishes of 64 KB", _aws("sns"), "read"),
    "sqs-request": Price(0.40, MILLION, "requests of 64 KB", _aws("sqs"), "read"),
    "dynamodb-write": Price(0.625, MILLION, "write units of 1 KB", _DYNAMODB, "read"),
    "dynamodb-read": Price(0.125, MILLION, "read units of 4 KB", _DYNAMODB, "read"),
    "dynamodb-storage": Price(0.25, 1, "GB-months", _DYNAMODB, "recalled"),
    "dynamodb-recovery": Price(0.20, 1, "GB-months (PITR)", _DYNAMODB, "recalled"),
    "kms-key": Price(1.00, 1, "keys", _KMS, "read"),
    "kms-request": Price(0.03, 10_000, "requests", _KMS, "read"),
    "secret": Price(0.40, 1, "secrets", _aws("secrets-manager"), "recalled"),
    "log-ingestion": Price(0.50, 1, "GB", _CLOUDWATCH, "recalled"),
    "log-storage": Price(0.03, 1, "GB-months", _CLOUDWATCH, "recalled"),
    "metric": Price(0.30, 1, "custom metrics", _CLOUDWATCH, "recalled"),
    "alarm": Price(0.10, 1, "metrics in alarms", _CLOUDWATCH, "recalled"),
    "dashboard": Price(3.00, 1, "dashboards", _CLOUDWATCH, "recalled"),
    "schedule": Price(1.00, MILLION, "invocations", _aws("eventbridge"), "recalled"),
    "trace": Price(5.00, MILLION, "traces recorded", _aws("xray"), "recalled"),
    "transfer-out": Price(0.09, 1, "GB to the internet", _aws("ec2"), "read"),
    "transfer-out-over-10-tb": Price(0.085, 1, "GB to the internet", _aws("ec2"), "read"),
    "transfer-out-over-50-tb": Price(0.07, 1, "GB to the internet", _aws("ec2"), "read"),
    "transfer-out-over-150-tb": Price(0.05, 1, "GB to the internet", _aws("ec2"), "recalled"),
    # Kept outputs
    "s3-storage": Price(0.023, 1, "GB-months", _S3, "read"),
    "s3-storage-over-50-tb": Price(0.022, 1, "GB-months", _S3, "recalled"),
    "s3-storage-over-500-tb": Price(0.021, 1, "GB-months", _S3, "recalled"),
    "s3-write": Price(0.005, 1_000, "PUT, POST and LIST requests", _S3, "read"),
    "s3-read": Price(0.0004, 1_000, "GET requests", _S3, "read"),
    "cloudfront-request": Price(0.01, 10_000, "HTTPS requests", _CLOUDFRONT, "read"),
    "cloudfront-function": Price(0.10, MILLION, "invocations", _CLOUDFRONT, "read"),
    "cloudfront-out": Price(0.085, 1, "GB to the internet", _CLOUDFRONT, "read"),
    "cloudfront-out-over-10-tb": Price(0.08, 1, "GB to the internet", _CLOUDFRONT, "read"),
    "cloudfront-out-over-50-tb": Price(0.06, 1, "GB to the internet", _CLOUDFRONT, "read"),
    "cloudfront-out-over-150-tb": Price(0.04, 1, "GB to the internet", _CLOUDFRONT, "read"),
    "cloudfront-out-over-500-tb": Price(0.03, 1, "GB to the internet", _CLOUDFRONT, "read"),
    # Other transports
    "appsync-operation": Price(1.00, MILLION, "operations of 5 KB", _APPSYNC, "read"),
    "appsync-minute": Price(0.08, MILLION, "connection-minutes", _APPSYNC, "read"),
    "iot-message": Price(1.00, MILLION, "messages of 5 KB", _IOT, "recalled"),
    "iot-message-over-1e9": Price(0.80, MILLION, "messages of 5 KB", _IOT, "recalled"),
    "iot-message-over-5e9": Price(0.70, MILLION, "messages of 5 KB", _IOT, "recalled"),
    "iot-minute": Price(0.08, MILLION, "connection-minutes", _IOT, "recalled"),
    "ably-message": Price(2.50, MILLION, "messages", _ABLY, "read"),
    "ably-minute": Price(1.00, MILLION, "connection-minutes", _ABLY, "read"),
    "ably-channel-minute": Price(1.00, MILLION, "channel-minutes", _ABLY, "read"),
}

# The next price applies to all units above this number.
TIERS = {
    "websocket-message": ((1e9, "websocket-message-over-1e9"),),
    "http-request": ((3e8, "http-request-over-3e8"),),
    # in GB; AWS counts 1,024 of them as a TB
    "transfer-out": (
        (10_240, "transfer-out-over-10-tb"),
        (51_200, "transfer-out-over-50-tb"),
        (153_600, "transfer-out-over-150-tb"),
    ),
    "s3-storage": ((51_200, "s3-storage-over-50-tb"), (512_000, "s3-storage-over-500-tb")),
    "cloudfront-out": (
        (10_240, "cloudfront-out-over-10-tb"),
        (51_200, "cloudfront-out-over-50-tb"),
        (153_600, "cloudfront-out-over-150-tb"),
        (512_000, "cloudfront-out-over-500-tb"),
    ),
    "iot-message": ((1e9, "iot-message-over-1e9"), (5e9, "iot-message-over-5e9")),
}


class Plan(NamedTuple):
    """A monthly plan with limits. Above them, the next larger plan is needed."""

    name: str
    amount: float
    connections: int  # concurrent connections
    messages_a_day: float = float("inf")


PUSHER_PAGE = "https://pusher.com/channels/pricing/"
PUSHER = (  # publishes and deliveries both count as messages
    Plan("Startup", 49, 500, 1e6),
    Plan("Pro", 99, 2_000, 4e6),
    Plan("Business", 299, 5_000, 10e6),
    Plan("Premium", 499, 10_000, 20e6),
    Plan("Growth", 699, 15_000, 40e6),
    Plan("Plus", 899, 20_000, 60e6),
    Plan("Growth Plus", 1_199, 30_000, 90e6),
)
ABLY = (
    Plan("Standard", 29, 10_000),
    Plan("Pro", 399, 50_000),
)  # base price, plus usage; for accounts that predate pricing by monthly users


def cost(prices: dict[str, Price], name: str, quantity: float) -> float:
    """Return the cost of a quantity, computed by tiers."""
    total, current, start = 0.0, name, 0.0
    for above, following in TIERS.get(name, ()):
        price = prices[current]
        total += max(0.0, min(quantity, above) - start) * price.amount / price.per
        current, start = following, above
    price = prices[current]
    return total + max(0.0, quantity - start) * price.amount / price.per


def fitting(plans: tuple[Plan, ...], connections: float, messages_a_day: float) -> Plan | None:
    """Return the smallest plan that is large enough, or None if an individual contract is
    needed.
    """
    for plan in plans:
        if connections <= plan.connections and messages_a_day <= plan.messages_a_day:
            return plan
    return None
