"""microburst rules, named by the faults they cause."""

from __future__ import annotations

from typing import Any

Rule = dict[str, Any]

SNS_REFUSES: Rule = {"service": "sns", "error": {"code": "InternalError", "status": 500}}
SNS_REFUSES_EVENTS: Rule = {**SNS_REFUSES, "body": "ends_with(TopicArn, 'generation-complete')"}
SNS_THROTTLES_TWICE: Rule = {
    "service": "sns",
    "operation": "Publish",
    "sequence": {"fail": 2, "pass": 1},
    "error": {"code": "Throttling", "status": 400},
}
SNS_DENIES_KMS: Rule = {
    **SNS_REFUSES_EVENTS,
    "error": {"code": "KMSAccessDenied", "status": 400},
}
SNS_LOSES_ONE_ANSWER: Rule = {
    "service": "sns",
    "operation": "Publish",
    "times": 1,
    "response": {"abort_frac": 0.3},
}
_EVERY_SECOND = {"fail": 1, "pass": 1}
SNS_LOSES_EVERY_SECOND_ANSWER: Rule = {
    "service": "sns",
    "sequence": _EVERY_SECOND,
    "response": {"abort_frac": 0.3},
}
SNS_DELAYS_EVERY_SECOND: Rule = {"service": "sns", "sequence": _EVERY_SECOND, "latency": 700}

DATABASE_REFUSES: Rule = {
    "service": "postgres",
    "operation": "startup",
    "error": {"sqlstate": "53300", "severity": "FATAL", "message": "too many clients already"},
}
# microburst's operation is the first word of a query, which is SET for several statements in one.
_RESULT = {"service": "postgres", "sql": r"UPDATE \S+generations"}
DATABASE_HANGS: Rule = {**_RESULT, "timeout": True}
DATABASE_KILLS_ONE_CONNECTION: Rule = {
    **_RESULT,
    "times": 1,
    "error": {
        "sqlstate": "57P01",
        "severity": "FATAL",
        "message": "terminating connection due to administrator command",
    },
}
DATABASE_RESETS_ONE_CONNECTION: Rule = {**_RESULT, "times": 1, "reset": True}
# PostgreSQL's answer to the statement that records a result. With this answer, it is committed.
RECORDED = rb"C....INSERT 0 1\0"

DYNAMODB_THROTTLES: Rule = {
    "service": "dynamodb",
    "error": {"code": "ProvisionedThroughputExceededException"},
}


def dynamodb(operation: str, **more: object) -> Rule:
    """DynamoDB throttles one operation."""
    return {**DYNAMODB_THROTTLES, "operation": operation, **more}


def posts(status: int, **more: object) -> Rule:
    """@connections answers every post with this status."""
    codes = {403: "ForbiddenException", 410: "GoneException", 429: "LimitExceededException"}
    error = {"code": codes.get(status, "InternalServerError"), "status": status}
    return {"service": "apigatewaymanagementapi", "error": error, **more}
