"""`./herald provider` and `./herald callback-url`: which providers may call, and where."""

import getpass
import json as jsons
import sys
from typing import Annotated, Any
from uuid import UUID

import typer

from cli import target
from cli.console import (
    DONE,
    PARTLY,
    CommandError,
    add_row,
    age,
    confirmed,
    note,
    print_json,
    say,
    tables,
)
from cli.declare import command
from cli.options import Json, Which, Yes

HELP = "The generation providers that may call this deployment, and their keys."

Name = Annotated[
    str, typer.Argument(help="The provider's name in the callback address.", show_default=False)
]
Show = Annotated[bool, typer.Option("--print", help="Print the key that Herald generated.")]


@command("""
./herald provider list --stage prod
""")
def list_providers(which: Which, json: Json = False) -> int:
    """List the providers, and whether they are configured.

    --json prints a list of {"name", "adapter", "configured", "proof", "active", "apiKey",
    "options"}: "proof" is the kind of key, "active" the number of valid keys, "apiKey" whether
    there is a key for its API. No key is printed.
    """
    from cli.provider_keys import NEEDS, ProviderKeys

    herald = target.choose(which)
    keys = ProviderKeys(herald)
    rows: list[dict[str, Any]] = []
    for name in sorted({*NEEDS, *keys.entries}):
        found = keys.find(name)
        adapter = found.adapter if found else name
        rows.append(
            {
                "name": name,
                "adapter": adapter,
                "configured": found is not None,
                "proof": NEEDS[adapter].kind if adapter in NEEDS else "unknown adapter",
                "active": max(map(len, found.keys[:2])) if found else 0,
                "apiKey": bool(found and found.keys.api_key),
                "options": sorted(found.options) if found else [],
            }
        )
    if json:
        print_json(rows)
        return DONE
    from rich.table import Table

    table = Table("provider", "configured", "proof", "active keys", "API key", "options")
    for row in rows:
        configured, api_key = ("yes" if row[name] else "-" for name in ("configured", "apiKey"))
        active, names = str(row["active"] or "-"), ", ".join(row["options"])
        add_row(table, row["name"], configured, row["proof"], active, api_key, names)
    tables().print(table)
    if "generations" not in keys.entries:
        note("generations uses the webhook secret (`./herald secret set webhook`).")
    return DONE


@command("""
./herald provider set replicate --stage prod < secret.txt
./herald provider set runpod --option outputs=output.images
./herald provider set fal --account user_2abc
./herald provider set acme --adapter hmac --option header=X-Acme-Signature < secret.txt
./herald provider set acme --output-host cdn.acme.example --output-host '*.media.acme.example'
""")
def set_provider(
    which: Which,
    name: Name,
    account: Annotated[str, typer.Option(metavar="ID", help="Your user id (fal, Ideogram).")] = "",
    generate: Annotated[bool, typer.Option("--generate", help="Generate a new key.")] = False,
    show: Show = False,
    capability: Annotated[
        bool, typer.Option("--capability", help="Use a token in the address (Kling, WaveSpeed).")
    ] = False,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the adapter; may be repeated."),
    ] = None,
    adapter: Annotated[
        str, typer.Option(metavar="NAME", help="The adapter, if the name is your own.")
    ] = "",
    output_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST", help="Another host of its outputs; may be repeated (see above)."
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Set a provider's key and options. They replace the current ones.

    --output-host sets the hosts from which outputs may be copied, in addition to those that Herald
    knows, and changes neither key nor options. The new hosts replace the current ones;
    `--output-host none` removes them.

    A signing secret is read from stdin; on a terminal, the command asks for it without echoing the
    input. A capability key is generated once and then kept, unless --generate replaces it. Your
    application needs it to compute callback addresses: print it with --print.

    --json prints {"provider", "proof", "active", "value"}: "value" is the generated key with
    --print, else null. With --output-host, it prints {"provider", "outputHosts"}.
    """
    from cli import provider_keys

    if output_host:
        others = (account, generate, show, capability, option, adapter)
        return _set_hosts(which, name, output_host, alone=not any(others), json=json)
    need = provider_keys.need(name, adapter or None)
    kind = "capability" if capability and need.or_capability else need.kind
    if capability and kind != "capability":
        raise typer.BadParameter(
            f"{name} cannot use a token in the address. {need.source}", param_hint="--capability"
        )
    herald = target.choose(which)
    keys = provider_keys.ProviderKeys(herald)
    entry: dict[str, Any] = {"adapter": adapter} if adapter else {}
    if options := _options(option or []):
        entry["options"] = options
    current = keys.entries.get(name, {})
    if "api_key" in current and kind != "api":
        entry["api_key"] = current["api_key"]
    kept = current.get("token_keys", [])
    if kind == "capability" and kept and not generate:
        values = kept
    else:
        values = [_value(need, kind, name, account=account, generate=generate)]
    entry |= _stored(kind, values)
    provider_keys.check_configured(name, entry)
    keys.entries[name] = entry
    keys.write()
    generated = values[0] if show and (generate or kind == "capability") else None
    return _report(herald.title, name, kind, len(values), generated, json=json)


@command("""
./herald provider rotate runpod --print
./herald provider rotate replicate --stage prod < new-secret.txt
""")
def rotate(
    which: Which,
    name: Name,
    generate: Annotated[bool, typer.Option("--generate", help="Generate the new secret.")] = False,
    show: Show = False,
    json: Json = False,
) -> int:
    """Add a new key in front of a provider's current one. Both are valid until `provider retire`.

    A signing secret is read from stdin, and a capability key is generated. Addresses that were
    computed with the current key stay valid.

    --json prints the same as `provider set`.
    """
    from cli import provider_keys

    herald = target.choose(which)
    keys = provider_keys.ProviderKeys(herald)
    found = keys.configured(name)
    need = provider_keys.NEEDS[found.adapter]
    kind = "capability" if found.keys.token_keys and not found.keys.secrets else need.kind
    if kind == "account":
        raise CommandError(f"{name} signs with keys of its own, which Herald fetches.")
    field = "token_keys" if kind == "capability" else "secrets"
    value = _value(need, kind, name, account="", generate=generate)
    current = keys.entries[name][field]
    if value in current:
        raise CommandError("This key is already valid.")
    keys.entries[name][field] = [value, current[0]]
    keys.write()
    generated = value if show and (generate or kind == "capability") else None
    return _report(herald.title, name, kind, 2, generated, json=json)


@command("./herald provider retire replicate --stage prod")
def retire(which: Which, name: Name, json: Json = False) -> int:
    """Finish a rotation, so that only the provider's newest key stays valid.

    --json prints the same as `provider set`.
    """
    from cli import provider_keys

    herald = target.choose(which)
    keys = provider_keys.ProviderKeys(herald)
    keys.configured(name)
    entry = keys.entries[name]
    several = [field for field in ("secrets", "token_keys") if len(entry.get(field, [])) > 1]
    if not several:
        raise CommandError(f"{name} has only one key: nothing to retire.")
    for field in several:
        entry[field] = entry[field][:1]
    keys.write()
    kind = "capability" if "token_keys" in several else "secret"
    return _report(herald.title, name, kind, 1, None, json=json)


@command("./herald provider remove luma --stage prod")
def remove(which: Which, name: Name, yes: Yes = False, json: Json = False) -> int:
    """Remove a provider. Its webhooks are then answered with 404.

    --json prints {"provider", "removed"}.
    """
    from cli import provider_keys

    herald = target.choose(which)
    keys = provider_keys.ProviderKeys(herald)
    keys.configured(name)
    removed = confirmed(f"Remove {name} from the {herald.title}?", yes=yes)
    if removed:
        del keys.entries[name]
        keys.write()
    if json:
        print_json({"provider": name, "removed": removed})
    if not removed:
        return PARTLY
    note(f"{name} is removed; functions notice within {_noticed()}.")
    return DONE


@command("""
./herald callback-url replicate 8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38
./herald callback-url bfl 8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38 --json
""")
def callback_url(
    which: Which,
    name: Name,
    generation: Annotated[UUID, typer.Argument(help="The generation's id.", show_default=False)],
    json: Json = False,
) -> int:
    """Print the address that a provider must call for one generation.

    --json prints {"url", "token", "webhookSecret"}: "token" is the capability in the address, else
    null. "webhookSecret" is the secret to give BFL with the request, else null.
    """
    from cli import provider_keys

    provider_keys.need(name, None if name in provider_keys.NEEDS else "hmac")
    herald = target.choose(which)
    found = provider_keys.address(herald, provider_keys.ProviderKeys(herald), name, str(generation))
    if json:
        secret = found.token if name == "bfl" else None
        print_json({"url": found.url, "token": found.token, "webhookSecret": secret})
    else:
        say(found.url)
    return DONE


def _set_hosts(which: Which, name: str, hosts: list[str], *, alone: bool, json: bool) -> int:
    from chalicelib.providers import registry
    from cli import output_hosts, provider_keys

    if not alone:
        raise typer.BadParameter(
            "Use --output-host without other options.", param_hint="--output-host"
        )
    herald = target.choose(which)
    if name not in registry.NAMES:
        provider_keys.ProviderKeys(herald).configured(name)
    found = output_hosts.set_hosts(herald, name, hosts)
    if json:
        print_json({"provider": name, "outputHosts": found})
    said = ", ".join(found) or "no further hosts"
    note(f"Outputs of {name} may come from {said}; functions use it within {_noticed()}.")
    return DONE


def _value(need: Any, kind: str, name: str, *, account: str, generate: bool) -> str:
    from cli import provider_keys

    if kind == "iam":
        raise CommandError(f"{name} has no key. {need.source}")
    if kind == "account":
        if not account.strip():
            raise typer.BadParameter(
                f"{name} needs your user id. {need.source}", param_hint="--account"
            )
        return account.strip()
    if account or (kind == "api" and generate):
        option = "--account" if account else "--generate"
        raise typer.BadParameter(f"{name} does not use this option.", param_hint=option)
    if kind == "capability" or generate:
        return provider_keys.generated(kind)
    if not sys.stdin.isatty():
        return provider_keys.checked(kind, sys.stdin.read())
    note(need.source)
    return provider_keys.checked(kind, getpass.getpass(f"{name}: "))


def _stored(kind: str, values: list[str]) -> dict[str, Any]:
    if kind == "account":
        return {"account": values[0]}
    if kind == "api":
        return {"api_key": values[0]}
    return {"token_keys" if kind == "capability" else "secrets": values}


def _options(given: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for pair in given:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise typer.BadParameter(f"{pair!r}: write NAME=VALUE.", param_hint="--option")
        try:
            found[name] = jsons.loads(value)
        except ValueError:
            found[name] = value
    return found


def _noticed() -> str:
    from cli.secret_values import NOTICED_SECONDS

    return age(NOTICED_SECONDS)


def _report(title: str, name: str, kind: str, active: int, value: str | None, *, json: bool) -> int:
    if json:
        print_json({"provider": name, "proof": kind, "active": active, "value": value})
    elif value is not None:
        say(value)
    several = f" ({active} keys are valid)" if active > 1 else ""
    note(f"{name} is set in the {title}{several}; functions use it within {_noticed()}.")
    return DONE
