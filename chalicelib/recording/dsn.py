"""The DSN of the database, in every form that Herald accepts.

- a URL: `postgresql://user:password@host:5432/name?sslmode=require`, or `postgres://…`
- libpq's key=value form: `host=… port=… dbname=… user=… password=…`
- several hosts in either form, separated by commas
- JSON, as RDS and its rotation functions store it:
  `{"username": …, "password": …, "host": …, "port": …, "dbname": …}`
"""

from __future__ import annotations

import json

import psycopg2
from psycopg2.extensions import parse_dsn

from chalicelib.errors import InvalidDsn

FORM = "postgresql://user:password@host:5432/name"
_JSON_REQUIRED = ("username", "password", "host", "dbname")
# libpq parameters that a JSON secret may add; RDS's own fields, such as `engine`, are ignored.
_JSON_OPTIONAL = (
    "port",
    "options",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
)


def parse(text: str) -> dict[str, str]:
    """Return libpq's connection parameters: `host`, `port`, `dbname`, `user`, `password`, …

    Raises
    ------
    InvalidDsn
        The text has none of these forms; the message never quotes it.
    """
    text = text.strip()
    if not text:
        raise InvalidDsn(f"The DSN is empty; it has the form {FORM}.")
    parameters = _from_json(text) if text.startswith("{") else _from_libpq(text)
    if any("\0" in value for value in (text, *parameters.values())):
        raise InvalidDsn("The DSN contains a NUL character.")
    hosts, ports = _hosts(parameters), parameters.get("port", "").split(",")
    if any("@" in host or "://" in host for host in hosts):
        raise InvalidDsn("The DSN's host is malformed. In a password, write @ as %40 and / as %2F.")
    if not all(port == "" or (port.isdecimal() and 0 < int(port) < 65536) for port in ports):
        raise InvalidDsn("The DSN's port is not a number from 1 to 65535.")
    if len(ports) not in (1, len(hosts)):
        raise InvalidDsn("The DSN has several ports, but not one for each host.")
    return parameters


def rotated(parameters: dict[str, str], turns: int) -> dict[str, str]:
    """Return the parameters with the hosts rotated, so that another host is tried first.

    `turns` is the number of failures so far.
    """
    lists = {
        name: parameters[name].split(",")
        for name in ("host", "hostaddr", "port")
        if "," in parameters.get(name, "")
    }
    return parameters | {
        name: ",".join(values[turns % len(values) :] + values[: turns % len(values)])
        for name, values in lists.items()
    }


def place(text: str) -> str:
    """Return the location in a DSN as `host:port/database`, without user and password.

    Raises
    ------
    InvalidDsn
        As `parse`.
    """
    parameters = parse(text)
    hosts, ports = _hosts(parameters), parameters.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    servers = [
        (host or "the local socket") + (f":{port}" if port else "")
        for host, port in zip(hosts, ports, strict=True)
    ]
    return f"{','.join(servers)}/{parameters.get('dbname', '')}"


def _hosts(parameters: dict[str, str]) -> list[str]:
    return (parameters.get("host") or parameters.get("hostaddr", "")).split(",")


def _from_libpq(text: str) -> dict[str, str]:
    try:
        return dict(parse_dsn(text))
    except (psycopg2.Error, ValueError):  # without its cause, which quotes the DSN
        wanted = f"{FORM}: in a password, write @, / and % as %40, %2F and %25"
        raise InvalidDsn(f"The DSN cannot be parsed as {wanted}.") from None


def _from_json(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        raise InvalidDsn("The DSN starts like JSON, but is not valid JSON.") from None
    missing = [name for name in _JSON_REQUIRED if not found.get(name)]
    if missing:
        raise InvalidDsn(f"The JSON of the database secret lacks {', '.join(missing)}.")
    values = {"user": found["username"]}
    values |= {
        name: found[name] for name in (*_JSON_REQUIRED[1:], *_JSON_OPTIONAL) if name in found
    }
    if not all(isinstance(value, str | int) for value in values.values()):
        raise InvalidDsn("The database secret's JSON has a value other than text or a number.")
    return {name: str(value) for name, value in values.items()}
