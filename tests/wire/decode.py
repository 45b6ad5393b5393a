"""Decodes a request to its operation and parameters, for the AWS protocols that Herald uses."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import botocore.session

from tests.wire import forms, xml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import OperationModel, ServiceModel

    from tests.wire.records import Request

# Service names in signatures, where botocore's name for the service differs.
_SERVICES = {
    "apigateway": "apigateway",  # or apigatewayv2, by the path
    "execute-api": "apigatewaymanagementapi",
    "monitoring": "cloudwatch",
}
# The emulator serves every deployed API at one address, each below its own path.
_EMULATED = re.compile(r"/_aws/execute-api/[^/]+/[^/]+(?=/@connections/)")
# Headers of HTTP, signatures and SDKs, which belong to no operation.
_COMMON_HEADERS = re.compile(
    r"x-amz-(?:date|target|user-agent|security-token|content-sha256|trailer"
    r"|(?:sdk-)?checksum-[a-z0-9-]+|decoded-content-length)"
)
_OF_SDKS = ("x-id",)  # a query parameter that repeats the operation's name
_SIGNATURE = re.compile(
    r"X-Amz-(?:Algorithm|Credential|Date|Expires|Security-Token|SignedHeaders|Signature)"
)


class Undecodable(Exception):
    """The request is for an unknown operation, or it violates its protocol."""


class Call(NamedTuple):
    """A decoded request. `problems` are the violations of the protocol itself."""

    service: str
    operation: OperationModel
    parameters: dict[str, Any]
    problems: list[str]

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation.name}"


def decode(request: Request) -> Call:
    """Decode a request; raises Undecodable."""
    model = _model(_service(request))
    protocol = _protocol(request, model)
    if protocol == "json":
        return _json(request, model)
    if protocol == "query":
        return _form(request, model)
    if protocol in ("rest-json", "rest-xml"):
        return _rest(request, model)
    raise Undecodable(f"{model.service_name} speaks {protocol}, which is not decoded here")


def _service(request: Request) -> str:
    if request.service == "apigateway" and request.path.startswith("/v2/"):
        return "apigatewayv2"
    return _SERVICES.get(request.service, request.service)


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@functools.cache
def _model(service: str) -> ServiceModel:
    try:
        return _session().get_service_model(service)
    except Exception as error:
        raise Undecodable(f"{service} is no service: {error}") from error


def _protocol(request: Request, model: ServiceModel) -> str:
    """Return the protocol of the request, which must be one that the service's model allows."""
    possible = [*model.metadata.get("protocols", ()), model.metadata["protocol"]]
    for protocol in ("rest-json", "rest-xml"):
        if protocol in possible:
            return protocol
    if "json" in possible and request.target:
        return "json"
    kind = request.headers.get("content-type", "")
    if request.method == "GET" or kind.startswith("application/x-www-form-urlencoded"):
        # Services that change to JSON, such as SQS, still accept requests in the query protocol.
        return "query" if model.metadata.get("apiVersion") else "unknown"
    return str(model.metadata["protocol"])


def _operation(model: ServiceModel, name: str) -> OperationModel:
    if name not in model.operation_names:
        raise Undecodable(f"{model.service_name} has no operation {name!r}")
    return model.operation_model(name)


def _json(request: Request, model: ServiceModel) -> Call:
    prefix, _, name = request.target.rpartition(".")
    operation = _operation(model, name)
    problems = []
    if prefix != model.metadata["targetPrefix"]:
        problems.append(f"X-Amz-Target begins with {prefix}")
    kind = f"application/x-amz-json-{model.metadata['jsonVersion']}"
    if request.headers.get("content-type") != kind:
        problems.append(f"Content-Type is {request.headers.get('content-type')}, not {kind}")
    if (request.method, request.path) != ("POST", "/"):
        problems.append(f"{request.method} {request.path}, not POST /")
    parameters = named(operation.input_shape, _object(request.body))
    return Call(model.service_name, operation, parameters, problems)


def named(shape: Any, value: Any) -> Any:
    """Return a JSON value in which members have their names from the model instead of their JSON
    names.
    """
    if shape is None or value is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        wire = {each.serialization.get("name", name): name for name, each in shape.members.items()}
        return {
            # Without the suffix, an unknown JSON name could equal a member's name in the model.
            wire.get(name, f"{name} (on the wire)"): named(shape.members.get(wire.get(name)), each)
            for name, each in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [named(shape.member, each) for each in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: named(shape.value, each) for key, each in value.items()}
    return value


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body, parse_constant=_no_constant)
    except ValueError as error:
        raise Undecodable(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Undecodable("the body is not a JSON object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _form(request: Request, model: ServiceModel) -> Call:
    text = request.query if request.method == "GET" else request.body.decode()
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    fields = {name: value for name, value in pairs if not _SIGNATURE.fullmatch(name)}
    operation = _operation(model, fields.pop("Action", ""))
    problems = []
    if len({name for name, _ in pairs}) < len(pairs):
        problems.append("a field is there more than once")
    if (version := fields.pop("Version", None)) != model.metadata["apiVersion"]:
        problems.append(f"Version is {version}, not {model.metadata['apiVersion']}")
    parameters, unknown = forms.structure(operation.input_shape, fields)
    problems += [f"{name} is not a field of {operation.name}" for name in unknown]
    return Call(model.service_name, operation, parameters, problems)


class _Route(NamedTuple):
    operation: OperationModel
    pattern: re.Pattern[str]
    literals: int
    fixed: dict[str, str]  # query parameters that are part of the operation's URI
    required: frozenset[str]  # further query parameters and headers, in lower case


@functools.cache
def _routes(model: ServiceModel) -> list[_Route]:
    """Return the operations with their URI patterns, those with the longest literal text first."""
    found = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        if operation.deprecated:  # S3 has some at the URI of their successors
            continue
        path, _, query = operation.http["requestUri"].partition("?")
        parts = re.split(r"(\{[^}]+\})", path.rstrip("/") or "/")
        pattern = "".join(_part(part) for part in parts)
        literals = sum(len(part) for part in parts if not part.startswith("{"))
        fixed = dict(parse_qsl(query, keep_blank_values=True))
        required = frozenset(_required(operation))
        found.append(_Route(operation, re.compile(f"{pattern}/?"), literals, fixed, required))
    return sorted(
        found,
        key=lambda route: (-route.literals, -len(route.fixed), -len(route.required)),
    )


def _required(operation: OperationModel) -> Iterator[str]:
    """Yield the query parameters and headers by which operations at the same URI differ."""
    shape: Any = operation.input_shape
    for name in shape.required_members if shape is not None else ():
        found = shape.members[name].serialization
        if found.get("location") in ("querystring", "header"):
            yield found["name"].lower()


def _part(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    name = part.strip("{+}")
    return f"(?P<{name.replace('-', '_')}>{'.+' if part.endswith('+}') else '[^/]+'})"


def _rest(request: Request, model: ServiceModel) -> Call:
    path = _EMULATED.sub("", request.path)
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    for route in _routes(model):
        matched = route.pattern.fullmatch(path)
        if not (matched and route.operation.http["method"] == request.method):
            continue
        given = {name.lower() for name in (*query, *request.headers)}
        if route.fixed.items() <= query.items() and route.required <= given:
            labels = {name: unquote(value) for name, value in matched.groupdict().items()}
            rest = {name: each for name, each in query.items() if name not in route.fixed}
            return _rest_call(request, model, route.operation, labels, rest)
    raise Undecodable(f"{model.service_name} has no {request.method} {path}")


def _rest_call(
    request: Request,
    model: ServiceModel,
    operation: OperationModel,
    labels: dict[str, str],
    query: dict[str, str],
) -> Call:
    shape: Any = operation.input_shape
    headers = dict(request.headers)
    sources = {"uri": labels, "querystring": query, "header": headers}
    parameters: dict[str, Any] = {}
    problems: list[str] = []
    for name, member in shape.members.items() if shape is not None else ():
        source = sources.get(member.serialization.get("location", ""))
        wire = member.serialization.get("name", name)
        key = {"uri": wire.replace("-", "_"), "header": wire.lower()}.get(
            member.serialization.get("location", ""), wire
        )
        if source is not None and key in source:
            parameters[name], wrong = forms.scalar(member, source.pop(key))
            problems += [f"{name}: {wrong}"] if wrong else []
    unknown = [name for name in query if not (_SIGNATURE.fullmatch(name) or name in _OF_SDKS)]
    problems += [f"{name} is not in the query of {operation.name}" for name in unknown]
    problems += _foreign_headers(headers, operation)
    if model.metadata["protocol"] == "rest-xml":
        found, wrong_body = _xml_body(shape, request.body)
        parameters, problems = parameters | found, problems + wrong_body
    else:
        parameters |= _body(shape, request.body)
    return Call(model.service_name, operation, parameters, problems)


def _body(shape: Any, body: bytes) -> dict[str, Any]:
    """Return the members in the body of a REST request."""
    if not body:
        return {}
    payload = shape.serialization.get("payload") if shape is not None else None
    if payload and shape.members[payload].type_name in ("blob", "string"):
        return {payload: body}
    if payload:
        return {payload: named(shape.members[payload], _object(body))}
    found: dict[str, Any] = named(shape, _object(body))
    return found


def _xml_body(shape: Any, body: bytes) -> tuple[dict[str, Any], list[str]]:
    """Return the members in the body of a REST request with XML, and what is wrong with it."""
    payload = shape.serialization.get("payload") if shape is not None else None
    if not body or payload is None:
        return {}, ["a body that the operation does not have"] if body else []
    kind = shape.members[payload].type_name
    if kind in ("blob", "string"):
        return {payload: body.decode() if kind == "string" else body}, []
    try:
        found, wrong = xml.members(shape.members[payload], body)
    except ValueError as error:
        raise Undecodable(f"the body is not XML: {error}") from error
    return {payload: found}, wrong


def _foreign_headers(headers: dict[str, str], operation: OperationModel) -> Iterator[str]:
    for name in headers:
        if name.startswith("x-amz-") and not _COMMON_HEADERS.fullmatch(name):
            yield f"the header {name} is not one of {operation.name}"
