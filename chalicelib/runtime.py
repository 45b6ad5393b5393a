"""The composition root, which builds the handler of each function with its collaborators.

Each process builds only the handler of its function, and only once. Imports are inside functions,
so that a process loads only the modules that it uses.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from chalicelib import settings, telemetry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.aws.functions import Function
    from chalicelib.aws.s3 import Bucket
    from chalicelib.aws.secrets import Secrets
    from chalicelib.aws.service import Service
    from chalicelib.delivery.deliver import Deliver
    from chalicelib.engine.engine import Engine
    from chalicelib.outputs.keep import Keep
    from chalicelib.outputs.link import Link
    from chalicelib.recording.callback import Callback
    from chalicelib.recording.database import Database
    from chalicelib.recording.linking import Linking
    from chalicelib.recording.lookups import Keeper
    from chalicelib.recording.publishing import Publisher
    from chalicelib.recording.reconcile import Reconcile
    from chalicelib.recording.relay import Relay
    from chalicelib.sessions.authorize import Authorizer
    from chalicelib.sessions.connecting import Connect, Disconnect
    from chalicelib.sessions.jwks import Jwks
    from chalicelib.sessions.messages import Messages
    from chalicelib.sessions.tokens import Tokens
    from chalicelib.store.links import Links
    from chalicelib.store.output_hosts import OutputHosts
    from chalicelib.store.outputs import Outputs

S = TypeVar("S", bound=settings.Common)


class Runtime:
    """The handlers of all functions. Each is built on first use.

    Parameters
    ----------
    environ
        The environment variables of the process. settings.py defines those of Herald.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def preload(self, handler: str) -> None:
        """Build a handler before its first event, as `app.<function>`.

        Lambda gives a function a full core while it starts, but less afterwards if its memory size
        is small. Work done here is therefore fast.
        """
        name = handler.removeprefix("app.")
        if name in settings.FUNCTIONS:
            getattr(self, name)

    def close(self) -> None:
        """Close the engine's sockets."""
        self._engine.close()

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

    # --- shared collaborators ---

    def _load(self, kind: type[S]) -> S:
        config = settings.load(kind, self._environ)
        telemetry.configure(config.stage, config.log_level, config.log_sample_percent)
        return config

    @cached_property
    def _engine(self) -> Engine:
        from chalicelib.engine.engine import Engine

        return Engine()  # its sockets stay open between invocations

    @cached_property
    def _dynamodb(self) -> Service:
        from chalicelib.aws.service import DYNAMODB, Service

        return Service(self._engine, DYNAMODB, self._environ)

    @cached_property
    def _secrets(self) -> Secrets:
        from chalicelib.aws.secrets import Secrets
        from chalicelib.aws.service import SECRETS_MANAGER, Service

        return Secrets(Service(self._engine, SECRETS_MANAGER, self._environ))

    def _database(self, config: settings.Recording) -> Database:
        from chalicelib.recording.database import Database

        arn, secrets = config.database_secret_arn, self._secrets

        def failed(tries: int, exc: Exception) -> None:
            secrets.forget(arn)  # it may have been rotated
            telemetry.warning("database failed", tries=tries, error=str(exc))

        return Database(partial(secrets.get, arn), failed, schema=config.database_schema)

    def _publisher(self, config: settings.Recording) -> Publisher:
        from chalicelib.aws.sns import Sns
        from chalicelib.recording.publishing import Publisher

        sns = Sns(self._engine, self._environ)
        return Publisher(sns, config.topic_arn, config.error_topic_arn)

    def _function(self, name: str) -> Function:
        from chalicelib.aws.functions import Function

        return Function(self._engine, self._environ, name)

    def _linking(self, config: settings.Recording) -> Linking | None:
        if not config.outputs_table:
            return None
        from chalicelib.recording.linking import Linking

        links = self._links(config, config.outputs_url)
        return Linking(links, self._outputs(config), self._output_hosts(links, config))

    def _links(self, config: settings.Recording | settings.Outputs, base: str = "") -> Links:
        from chalicelib.store.links import Links

        return Links(base, partial(self._secrets.get, config.outputs_secret_arn, ""))

    def _outputs(self, config: settings.Recording | settings.Outputs) -> Outputs:
        from chalicelib.store.outputs import Outputs

        return Outputs(self._dynamodb, config.outputs_table, config.output_retention_days)

    def _output_hosts(
        self, links: Links, config: settings.Recording | settings.Outputs
    ) -> OutputHosts:
        from chalicelib.store.output_hosts import OutputHosts

        return OutputHosts(links, config.fetch_hosts)

    def _keeper(self, config: settings.Reconcile) -> Keeper | None:
        if not config.outputs_table:
            return None
        from chalicelib.outputs.copying import Copier
        from chalicelib.outputs.fetch import Fetcher
        from chalicelib.outputs.saving import Saver

        most = config.output_max_megabytes * 1_000_000
        outputs, fetcher = self._outputs(config), Fetcher(most)
        copier = Copier(self._bucket(config), outputs, fetcher, most)
        return Saver(copier, fetcher, self._links(config, config.outputs_url), outputs)

    def _bucket(self, config: settings.Outputs | settings.Reconcile) -> Bucket:
        from chalicelib.aws.s3 import Bucket

        return Bucket(self._engine, self._environ, config.outputs_bucket)

    def _public_keys(self, url: str) -> bytes:
        from chalicelib.recording.public_keys import PROVIDER
        from chalicelib.sessions.key_server import KeyServer

        return KeyServer(self._engine, url, PROVIDER).fetch()

    def _tokens(self, config: settings.Jwt) -> Tokens:
        from chalicelib.sessions.tokens import Rules, Tokens

        rules = Rules(config.jwt_algorithm, config.jwt_issuer, config.jwt_audience)
        secret = partial(self._secrets.get, config.jwt_secret_arn)
        return Tokens(rules, secret, self._jwks(config) if config.jwt_jwks_url else None)

    def _jwks(self, config: settings.Jwt) -> Jwks:
        from chalicelib.sessions.jwks import Jwks
        from chalicelib.sessions.key_server import KeyServer

        return Jwks(config.jwt_algorithm, KeyServer(self._engine, config.jwt_jwks_url).fetch)
