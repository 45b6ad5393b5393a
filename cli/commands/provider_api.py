"""`./herald provider api-key`: the key with which Herald asks a provider's API."""

import getpass
import sys
from typing import Annotated

import typer

from cli import target
from cli.commands.provider import Name
from cli.console import DONE, CommandError, note, print_json
from cli.declare import command
from cli.options import Json, Which


@command("""
./herald provider api-key replicate --stage prod < key.txt
./herald provider api-key kling < access-and-secret.txt
./herald provider api-key replicate --remove
""")
def api_key(
    which: Which,
    name: Name,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the key.")] = False,
    json: Json = False,
) -> int:
    """Set the key of a provider's API. It replaces the current one.

    With this key, Herald asks the provider for results whose webhook does not arrive, and cancels
    generations. The key is read from stdin; on a terminal, the command asks for it without echoing
    the input. For Kling, use an API key, or an access key and a secret key joined by a colon.

    --json prints {"provider", "apiKey"}: whether there is a key now.
    """
    from cli import provider_keys

    provider_keys.need(name, None if name in provider_keys.NEEDS else "hmac")
    herald = target.choose(which)
    keys = provider_keys.ProviderKeys(herald)
    entry = dict(keys.entries.get(name, {}))
    if remove:
        if entry.pop("api_key", None) is None:
            raise CommandError(f"{name} has no API key.")
    else:
        given = sys.stdin.read() if not sys.stdin.isatty() else getpass.getpass(f"{name}: ")
        entry["api_key"] = provider_keys.checked_api_key(name, entry.get("adapter"), given)
    if entry:
        keys.entries[name] = entry
    else:
        del keys.entries[name]
    keys.write()
    if json:
        print_json({"provider": name, "apiKey": not remove})
    done = "removed from" if remove else "set in"
    note(f"The API key of {name} is {done} the {herald.title}; functions notice in minutes.")
    return DONE
