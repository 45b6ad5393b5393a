"""`./herald simulate`: a webhook as a provider sends it."""

from typing import Annotated, Literal
from uuid import UUID

import typer

from cli import target
from cli.console import DONE, PARTLY, note, print_json, say
from cli.declare import command
from cli.options import Json, Which

State = Literal["running", "succeeded", "failed", "moderated", "canceled"]


@command("""
./herald simulate replicate --user alice
./herald simulate replicate 8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38 --state running --progress 0.4
./herald simulate runpod --state failed --stage dev
""")
def simulate(
    which: Which,
    provider: Annotated[str, typer.Argument(help="The provider's name in the callback address.")],
    generation: Annotated[
        UUID | None,
        typer.Argument(
            help="A generation's id (default: insert a new generation).", show_default=False
        ),
    ] = None,
    state: Annotated[State, typer.Option(help="The state to report.")] = "succeeded",
    user: Annotated[str, typer.Option(metavar="ID", help="Owner of a new generation.")] = "demo",
    url: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="An output; may be repeated.")
    ] = None,
    progress: Annotated[float, typer.Option(min=0, max=1, help="For the state running.")] = 0.5,
    json: Json = False,
) -> int:
    """Send a signed sample of a provider's webhook, and print the answer.

    The sample is signed with the newest key of the deployment. fal and Ideogram sign with keys of
    their own, so their samples can be sent only to a local stack, which has its own keys for them.

    Exit codes: 0 the webhook was accepted; 1 it was refused; 2 nothing was sent.

    --json prints {"generation", "url", "status", "body"}: "status" is the HTTP status, "body" the
    answer. The address may contain a capability.
    """
    herald = target.choose(which)
    given = None if generation is None else str(generation)
    return deliver(herald, provider, given, user, state, tuple(url or ()), progress, json=json)


def deliver(
    herald: target.Target,
    provider: str,
    generation: str | None,
    user: str,
    state: State,
    urls: tuple[str, ...],
    progress: float,
    *,
    json: bool,
) -> int:
    """Send a webhook, print the answer, and return the exit code."""
    from cli import simulation

    webhook = simulation.prepare(herald, provider, generation, user, state, urls, progress)
    status, body = simulation.send(herald, webhook)
    if json:
        found = {"generation": webhook.generation, "url": webhook.url}
        print_json({**found, "status": status, "body": body})
    else:
        say(f"{status} {body}")
        note(f"Generation {webhook.generation}")
    return DONE if status < 300 else PARTLY
