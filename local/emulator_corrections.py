"""Replacements for the few functions of MiniStack that behave differently from AWS.

Each replacement documents the difference from AWS. All differences were observed in ministack
1.5.33.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
from contextvars import ContextVar
from typing import Any

from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.services import apigateway, lambda_svc, secretsmanager, sns, sqs, sts

from local.emulator_batches import wait_for_full_batches
from local.emulator_copies import start_one_copy_at_a_time
from local.emulator_websockets import handshake

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_REFUSED_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CHARACTERS = "The message contains characters outside the allowed set."

logger = logging.getLogger("herald.emulator")


def correct_ministack() -> None:
    """Replace the functions of MiniStack that behave differently from AWS."""
    _note_connect_answer()
    _answer_unauthorized()
    _route_deeply_nested_messages()
    _fail_batches_with_malformed_answers()
    _count_loopback_as_tls()
    _authorize_batches_as_single_calls()
    _draw_function_credentials()
    _refuse_what_sqs_refuses()
    _keep_new_secrets_empty()
    wait_for_full_batches()
    start_one_copy_at_a_time()
    # After a poll that finds nothing, MiniStack can wait 50 ms before the next poll, which delays
    # messages. AWS does not delay them.
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = 0.001


def _note_connect_answer() -> None:
    """Store the status and headers that $connect returns. The answer to the handshake needs
    them.
    """
    invoke = apigateway._invoke_ws_lambda

    async def noted(*arguments: Any, **keywords: Any) -> Any:
        answer = await invoke(*arguments, **keywords)
        if int((answer or {}).get("statusCode", 200)) >= 500:
            # MiniStack does not log errors of functions of WebSocket routes.
            logger.warning("a WebSocket route's function failed: %s", (answer or {}).get("body"))
        answers = handshake.get()
        if answers is not None and not answers.get("accepted"):
            answers["connect_headers"] = (answer or {}).get("headers")
            answers["connect_status"] = int((answer or {}).get("statusCode", 200))
        return answer

    apigateway._invoke_ws_lambda = noted


def _answer_unauthorized() -> None:
    """If an authorizer raises "Unauthorized", AWS answers 401, but MiniStack answers 500."""
    execute = lambda_svc._execute_function_with_config_scope
    authorize = apigateway._authorize_ws_connect

    def noted(*arguments: Any, **keywords: Any) -> Any:
        result = execute(*arguments, **keywords)
        answers = handshake.get()
        if answers is not None and (result or {}).get("error"):
            body = result.get("body")
            error = body.get("errorMessage") if isinstance(body, dict) else None
            answers["authorizer_error"] = error
        return result

    async def authorized(*arguments: Any, **keywords: Any) -> Any:
        refusal, context = await authorize(*arguments, **keywords)
        error = (handshake.get() or {}).get("authorizer_error")
        if refusal and refusal[0] == 500 and error == "Unauthorized":
            refusal = (401, "Unauthorized")
        return refusal, context

    lambda_svc._execute_function_with_config_scope = noted
    apigateway._authorize_ws_connect = authorized


def _route_deeply_nested_messages() -> None:
    """AWS routes a message that it cannot parse to $default. MiniStack ends the connection if the
    message is nested too deeply for Python's parser.
    """
    evaluate = apigateway._evaluate_route_selection

    def evaluated(expression: str, message: str) -> str:
        try:
            route: str = evaluate(expression, message)
        except RecursionError:
            return "$default"
        return route

    apigateway._evaluate_route_selection = evaluated


def _fail_batches_with_malformed_answers() -> None:
    """If batchItemFailures is malformed, the batch fails on AWS, but MiniStack accepts it."""
    run_batch, execute = lambda_svc._run_sqs_batch, lambda_svc._execute_function
    mapped: ContextVar[bool] = ContextVar("mapped", default=False)

    def checked(record: Any, event: Any, *arguments: Any, **keywords: Any) -> Any:
        result = execute(record, event, *arguments, **keywords)
        if mapped.get() and not result.get("error"):
            identifiers = [message["messageId"] for message in event["Records"]]
            if not well_formed(result.get("body"), identifiers):
                failures = [{"itemIdentifier": identifier} for identifier in identifiers]
                result = {**result, "body": {"batchItemFailures": failures}}
        return result

    def run(*arguments: Any, **keywords: Any) -> Any:
        token = mapped.set(True)
        try:
            return run_batch(*arguments, **keywords)
        finally:
            mapped.reset(token)

    lambda_svc._execute_function, lambda_svc._run_sqs_batch = checked, run


def _count_loopback_as_tls() -> None:
    """Policies deny calls without TLS. Local calls do not leave the machine, so they are treated as
    encrypted.
    """
    origin = iam_evaluator._request_origin

    class Encrypted:
        set = staticmethod(origin.set)

        @staticmethod
        def get() -> tuple[str, bool]:
            return origin.get()[0], True

    iam_evaluator._request_origin = Encrypted


def _authorize_batches_as_single_calls() -> None:
    """On AWS, the permission for a single call covers the batch call. MiniStack requires a separate
    permission.
    """
    extract = iam_actions.extract_iam_action

    def extracted(*arguments: Any, **keywords: Any) -> Any:
        action = extract(*arguments, **keywords)
        if action and action.startswith(("sns:", "sqs:")):
            return action.removesuffix("Batch")
        return action

    iam_actions.extract_iam_action = extracted


def _draw_function_credentials() -> None:
    """MiniStack derives the access keys of a function from its ARN, so anybody could compute them.
    Random keys replace them.
    """
    salt = secrets.token_bytes(32)

    def drawn(config: dict[str, Any]) -> dict[str, str]:
        account, _ = lambda_runtime._account_region_from_function_config(config)
        role, name = config["Role"].rsplit("/", 1)[-1], config["FunctionName"][:64]

        def draw(purpose: str) -> str:
            text = f"{purpose} {config['FunctionArn']} {config['Role']}"
            return hmac.new(salt, text.encode(), hashlib.sha256).hexdigest()

        key, secret, token = f"ASIA{draw('key')[:16].upper()}", draw("secret"), draw("token")
        session = {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
            "UserId": f"{role}:{name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
        }
        sts.register_session(key, session)
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        return dict(zip(names, (key, secret, token), strict=True))

    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = drawn


def _refuse_what_sqs_refuses() -> None:
    """SQS refuses some characters, and more than 10 message attributes. MiniStack checks only the
    bodies of messages that are sent directly.

    If SQS refuses a message from SNS, the message is lost: SNS does not retry after a client error,
    and the subscription's dead-letter queue, also an SQS queue, would refuse the message too.
    """
    deliver, send = sns._deliver_to_sqs, sqs._act_send_message

    def delivered(endpoint: str, envelope: str, raw: bool, text: str, **options: Any) -> None:
        attributes = (options.get("message_attributes") or {}) if raw else {}
        if why := _refused_by_sqs(text if raw else envelope, attributes):
            logger.warning("SQS refuses a message of SNS, which is lost: %s", why)
            return
        deliver(endpoint, envelope, raw, text, **options)

    def sent(data: dict[str, Any], *arguments: Any) -> Any:
        attributes = data.get("MessageAttributes") or {}
        if why := _refused_by_sqs("", attributes):
            code = "InvalidMessageContents" if why == _CHARACTERS else "InvalidParameterValue"
            raise sqs._Err(code, why)
        return send(data, *arguments)

    sns._deliver_to_sqs = delivered
    sqs._act_send_message = sqs._HANDLERS["SendMessage"] = sent


def _keep_new_secrets_empty() -> None:
    """On AWS, a secret created without a value has no version. MiniStack creates an empty one."""
    store = secretsmanager._store_new_secret

    def stored(name: str, **values: Any) -> Any:
        arn, version = store(name, **values)
        if values.get("secret_string") is None and values.get("secret_binary") is None:
            _, secret = secretsmanager._resolve(arn)
            secret["Versions"].clear()
        return arn, version

    secretsmanager._store_new_secret = stored


def _refused_by_sqs(body: str, attributes: dict[str, Any]) -> str | None:
    """Return the reason why SQS refuses a message, or None if SQS accepts it."""
    values = [str(each.get("StringValue", "")) for each in attributes.values()]
    if any(_REFUSED_CHARACTER.search(text) for text in (body, *values)):
        return _CHARACTERS
    return "Number of message attributes exceeds 10." if len(attributes) > 10 else None


def well_formed(answer: Any, identifiers: list[str]) -> bool:
    """Whether AWS accepts `answer` as a partial batch response. An empty answer means full
    success.
    """
    if isinstance(answer, str | bytes):
        try:
            answer = json.loads(answer or "null")
        except ValueError:
            return False
    if answer is None:
        return True
    if not isinstance(answer, dict):
        return False
    failures = answer.get("batchItemFailures")
    if failures is None:
        return True
    if not isinstance(failures, list):
        return False
    known = set(identifiers)
    return all(
        isinstance(failure, dict) and failure.get("itemIdentifier") in known for failure in failures
    )
