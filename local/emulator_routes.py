"""Corrects what MiniStack answers to messages on the routes of a WebSocket API."""

from __future__ import annotations

import json
from typing import Any

from ministack.services import apigateway

from local.emulator_websockets import handshake


def correct_routes() -> None:
    """Replace the functions of MiniStack that behave differently from AWS."""
    _keep_mock_integrations()
    _remember_when_connected()
    _answer_like_aws()


def _keep_mock_integrations() -> None:
    """MiniStack drops an integration's template selection expression, and gives mock integrations
    the method and the URI that they do not have.
    """
    create, update = apigateway._create_integration, apigateway._update_integration

    def kept(api: str, identifier: str, given: dict[str, Any]) -> None:
        integration = apigateway._integrations[api][identifier]
        if "templateSelectionExpression" in given:
            integration["templateSelectionExpression"] = given["templateSelectionExpression"]
        if integration["integrationType"] == "MOCK":
            for name in {"integrationMethod", "integrationUri"} - set(given):
                integration.pop(name, None)

    def created(api: str, given: dict[str, Any]) -> Any:
        answer = create(api, given)
        if answer[0] == 201:
            kept(api, json.loads(answer[2])["integrationId"], given)
        return answer

    def updated(api: str, identifier: str, given: dict[str, Any]) -> Any:
        answer = update(api, identifier, given)
        if answer[0] == 200:
            kept(api, identifier, given)
        return answer

    apigateway._create_integration, apigateway._update_integration = created, updated


def _remember_when_connected() -> None:
    """`connectedAt` is when the connection was opened. MiniStack gives the time of each message."""
    make = apigateway._ws_request_context

    def made(*arguments: Any, **keywords: Any) -> dict[str, Any]:
        context: dict[str, Any] = make(*arguments, **keywords)
        answers = handshake.get()
        if answers is not None:
            context["connectedAt"] = answers.setdefault("connected_at", context["connectedAt"])
        return context

    apigateway._ws_request_context = made


def _answer_like_aws() -> None:
    """AWS sends a client what an integration returns only if the route has a route response.

    A mock integration needs a request template with a status code. Without it, AWS sends an error.
    MiniStack needs neither: it sends every answer, and every mock integration succeeds.
    """
    invoke = apigateway._invoke_ws_lambda

    async def answered(*arguments: Any, **keywords: Any) -> Any:
        api, _, _, route, _, connection, kind, request, *_ = arguments
        if kind != "MESSAGE":
            return await invoke(*arguments, **keywords)
        if _is_mock(api, route):
            if not mock_succeeds(_integration(api, route)):
                return _internal_error(connection, request)
            return None if _is_one_way(api, route) else await invoke(*arguments, **keywords)
        answer = await invoke(*arguments, **keywords)
        failed = int((answer or {}).get("statusCode", 200)) >= 500
        return None if _is_one_way(api, route) and not failed else answer

    apigateway._invoke_ws_lambda = answered


def _integration(api: str, route: dict[str, Any]) -> dict[str, Any]:
    identifier = route.get("target", "").rpartition("/")[2]
    found: dict[str, Any] = apigateway._integrations.get(api, {}).get(identifier) or {}
    return found


def _is_mock(api: str, route: dict[str, Any]) -> bool:
    return _integration(api, route).get("integrationType") == "MOCK"


def _is_one_way(api: str, route: dict[str, Any]) -> bool:
    return not apigateway._route_responses.get(api, {}).get(route.get("routeId"))


def mock_succeeds(integration: dict[str, Any]) -> bool:
    """Whether the template that the integration selects has a status code.

    Only static selection expressions and templates without variables are emulated.
    """
    selected = integration.get("templateSelectionExpression", "$default").removeprefix("\\")
    template = (integration.get("requestTemplates") or {}).get(selected, "")
    try:
        return isinstance(json.loads(template)["statusCode"], int)
    except (ValueError, KeyError, TypeError):
        return False


def _internal_error(connection: str, request: str) -> dict[str, Any]:
    """Return API Gateway's own message, which has no type."""
    message = {
        "message": "Internal server error",
        "connectionId": connection,
        "requestId": request,
    }
    return {"statusCode": 500, "body": json.dumps(message)}
