"""The composition root, which builds the handler of each function with its collaborators.

Each process builds only the handler of its function, and only once. Imports are inside functions,
so that a process loads only the modules that it uses.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from chalicelib import settings
from chalicelib.collaborators import Collaborators

if TYPE_CHECKING:
    from chalicelib.delivery.deliver import Deliver
    from chalicelib.outputs.keep import Keep
    from chalicelib.outputs.link import Link
    from chalicelib.recording.callback import Callback
    from chalicelib.recording.reconcile import Reconcile
    from chalicelib.recording.relay import Relay
    from chalicelib.sessions.authorize import Authorizer
    from chalicelib.sessions.connecting import Connect, Disconnect
    from chalicelib.sessions.messages import Messages


class Runtime(Collaborators):
    """The handlers of all functions. Each is built on first use."""

    def preload(self, handler: str) -> None:
        """Build a handler before its first event, as `app.<function>`.

        Lambda gives a function a full core while it starts, but less afterwards if its memory size
        is small. Work done here is therefore fast.
        """
        name = handler.removeprefix("app.")
        if name in settings.FUNCTIONS:
            getattr(self, name)

    # --- the functions ---

    @cached_property
    def callback(self) -> Callback:
        """The webhook receiver."""
        import chalicelib.providers.verifiers  # noqa: F401 - needed for every webhook
        from chalicelib.recording.callback import Callback
        from chalicelib.recording.public_keys import PublicKeys
        from chalicelib.recording.recorder import Recorder
        from chalicelib.recording.webhooks import Webhooks

        config = self._load(settings.Callback)
        keys = PublicKeys(self._public_keys)
        secret = self._secrets.get
        return Callback(
            Webhooks(
                partial(secret, config.providers_secret_arn, ""),
                partial(secret, config.webhook_secret_arn),
                keys,
            ),
            Recorder(
                config.stage,
                self._database(config),
                self._publisher(config),
                self._linking(config),
            ),
            self._function(config.reconcile_function),
        )

    @cached_property
    def relay(self) -> Relay:
        """The publisher of the outbox."""
        from chalicelib.recording.relay import Relay
        from chalicelib.store.inbox import Inbox

        config = self._load(settings.Relay)
        return Relay(
            config.stage,
            self._database(config),
            self._publisher(config),
            Inbox(self._dynamodb, config.inbox_table),
            config.outbox_retention_days,
            self._linking(config),
        )

    @cached_property
    def reconcile(self) -> Reconcile:
        """The function that looks generations up at their providers."""
        from chalicelib.recording.ending import Ending
        from chalicelib.recording.lookups import Lookups
        from chalicelib.recording.provider_apis import ProviderApis, addresses
        from chalicelib.recording.reconcile import Reconcile
        from chalicelib.recording.recorder import Recorder

        config = self._load(settings.Reconcile)
        database, publisher = self._database(config), self._publisher(config)
        apis = ProviderApis(
            self._engine,
            partial(self._secrets.get, config.providers_secret_arn, ""),
            addresses(config.provider_apis),
        )
        recorder = Recorder(config.stage, database, publisher, self._linking(config))
        return Reconcile(
            database,
            Ending(config.stage, database, publisher),
            apis,
            Lookups(database, recorder, apis, self._keeper(config)),
            config.generation_deadline_seconds,
        )

    @cached_property
    def deliver(self) -> Deliver:
        """The consumer of the queue."""
        from chalicelib.aws.gateway import Gateway
        from chalicelib.delivery.deliver import Deliver
        from chalicelib.store.connections import Connections
        from chalicelib.store.inbox import Inbox

        config = self._load(settings.Deliver)
        rate = config.posts_per_second
        return Deliver(
            self._engine,
            Gateway(config.management_endpoint, self._environ, rate=rate),
            Connections(self._dynamodb, config.connections_table),
            Inbox(self._dynamodb, config.inbox_table, config.inbox_retention_days),
            config.stage,
            config.max_receive_count,
        )

    @cached_property
    def authorize(self) -> Authorizer:
        """The authorizer of $connect."""
        import jwt  # noqa: F401 - needed for every token, so imported while the function starts

        from chalicelib.sessions.authorize import Authorizer
        from chalicelib.sessions.credentials import normal_origins
        from chalicelib.store.api_keys import ApiKeys

        config = self._load(settings.Authorize)
        return Authorizer(
            self._tokens(config),
            ApiKeys(self._dynamodb, config.api_keys_table),
            normal_origins(config.allowed_origins),
        )

    @cached_property
    def connect(self) -> Connect:
        """The $connect route."""
        from chalicelib.aws.gateway import Gateway
        from chalicelib.sessions.connecting import Connect
        from chalicelib.store.connections import Connections

        config = self._load(settings.Connect)
        return Connect(
            self._engine,
            Gateway(config.management_endpoint, self._environ),
            Connections(self._dynamodb, config.connections_table),
            config.max_connections_per_user,
        )

    @cached_property
    def disconnect(self) -> Disconnect:
        """The $disconnect route."""
        from chalicelib.sessions.connecting import Disconnect
        from chalicelib.store.connections import Connections

        config = self._load(settings.Disconnect)
        return Disconnect(Connections(self._dynamodb, config.connections_table))

    @cached_property
    def message(self) -> Messages:
        """The $default route."""
        from chalicelib.aws.gateway import Gateway
        from chalicelib.sessions.messages import Messages
        from chalicelib.store.connections import Connections
        from chalicelib.store.inbox import Inbox
        from chalicelib.store.replay_budget import ReplayBudgets

        config = self._load(settings.Message)
        return Messages(
            self._engine,
            Gateway(config.management_endpoint, self._environ),
            Connections(self._dynamodb, config.connections_table),
            ReplayBudgets(self._dynamodb, config.connections_table),
            Inbox(self._dynamodb, config.inbox_table, config.inbox_retention_days),
            self._tokens(config),
            config.keepalive_ms,
            self._function(config.reconcile_function),
        )

    @cached_property
    def keep(self) -> Keep:
        """The copier of outputs."""
        from chalicelib.aws.service import SQS, Service
        from chalicelib.outputs.copying import Copier
        from chalicelib.outputs.fetch import Fetcher
        from chalicelib.outputs.keep import Keep

        config = self._load(settings.Keep)
        outputs = self._outputs(config)
        most = config.output_max_megabytes * 1_000_000
        return Keep(
            outputs,
            Copier(self._bucket(config), outputs, Fetcher(most), most),
            self._output_hosts(self._links(config), config),
            Service(self._engine, SQS, self._environ),
            config.keep_queue_url,
            config.stage,
            config.max_receive_count,
        )

    @cached_property
    def link(self) -> Link:
        """The answers to the links of outputs."""
        from chalicelib.outputs.link import Link

        config = self._load(settings.Link)
        links = self._links(config)
        return Link(
            links,
            self._outputs(config),
            self._output_hosts(links, config),
            self._bucket(config),
        )
