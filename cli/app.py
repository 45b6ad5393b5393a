"""The root command and the list of all commands."""

from __future__ import annotations

import sys

import typer

from cli.commands import (
    api_key,
    conformance,
    cost,
    deploy,
    dlq,
    doctor,
    forget,
    generation,
    logs,
    migrate,
    new_epoch,
    provider,
    provider_api,
    secret,
    send,
    sessions,
    simulate,
    smoke,
    tail,
    token,
)
from cli.console import NOT_BEGUN, CommandError, lines
from cli.declare import add, prose
from tooling.program import Program

_HELP = """
Deploy and operate Herald.

A command works on a stage on AWS (--stage) or on the local stack that `make up` started.
`./herald COMMAND --help` shows its options and examples.
"""

_EPILOG = """
Exit codes: 0 success; 1 only a part was done, or you answered no; 2 an error occurred before
anything was done. Results are printed to stdout, and all other messages to stderr.
"""


class Herald(Program):
    """The root command. An expected error before a command starts is printed as one line, without a
    traceback.
    """

    failure = NOT_BEGUN

    def expects(self, error: Exception) -> bool:
        """Whether the error is one of Herald's own errors or an error of AWS."""
        # Commands that do not call AWS have not imported botocore.
        botocore = sys.modules.get("botocore.exceptions")
        of_aws = (botocore.BotoCoreError, botocore.ClientError) if botocore else ()
        return super().expects(error) or isinstance(error, (CommandError, *of_aws))

    def shown(self, error: Exception) -> str:
        """Return the text of an expected error, escaped: it may contain text from outside."""
        return lines(str(error))


app = typer.Typer(
    cls=Herald,
    help=prose(_HELP),
    epilog=prose(_EPILOG),
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # local variables in a traceback could include secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _group(name: str, text: str) -> typer.Typer:
    group = typer.Typer(help=prose(text), no_args_is_help=True)
    app.add_typer(group, name=name)
    return group


add(app, "plan", deploy.plan)
add(app, "deploy", deploy.deploy)
add(app, "rollback", deploy.rollback)
add(app, "destroy", deploy.destroy)
add(app, "migrate", migrate.migrate)
add(app, "smoke", smoke.smoke)

_dlq = _group("dlq", dlq.HELP)
add(_dlq, "list", dlq.list_letters)
add(_dlq, "peek", dlq.peek)
add(_dlq, "redrive", dlq.redrive)
add(_dlq, "purge", dlq.purge)

_secret = _group("secret", secret.HELP)
add(_secret, "set", secret.set_value)
add(_secret, "retire", secret.retire)

_provider = _group("provider", provider.HELP)
add(_provider, "list", provider.list_providers)
add(_provider, "set", provider.set_provider)
add(_provider, "api-key", provider_api.api_key)
add(_provider, "rotate", provider.rotate)
add(_provider, "retire", provider.retire)
add(_provider, "remove", provider.remove)
add(app, "callback-url", provider.callback_url)
add(app, "simulate", simulate.simulate)
add(app, "send", send.send)
add(app, "cancel", generation.cancel)
add(app, "trace", generation.trace)

add(app, "doctor", doctor.doctor)
add(app, "logs", logs.logs)
add(app, "tail", tail.tail)
add(app, "token", token.token)

_api_key = _group("api-key", api_key.HELP)
add(_api_key, "create", api_key.create)
add(_api_key, "list", api_key.list_keys)
add(_api_key, "revoke", api_key.revoke)

_sessions = _group("sessions", sessions.HELP)
add(_sessions, "revoke", sessions.revoke)

add(app, "forget", forget.forget)
add(app, "new-epoch", new_epoch.new_epoch)
add(app, "cost", cost.cost)
add(app, "conformance", conformance.conformance)
