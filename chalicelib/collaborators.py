"""The collaborators that several functions share: AWS services, the database, tokens, outputs.

Imports are inside functions, so that a process loads only the modules that it uses.
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
    from chalicelib.engine.engine import Engine
    from chalicelib.recording.database import Database
    from chalicelib.recording.linking import Linking
    from chalicelib.recording.lookups import Keeper
    from chalicelib.recording.publishing import Publisher
    from chalicelib.sessions.jwks import Jwks
    from chalicelib.sessions.tokens import Tokens
    from chalicelib.store.links import Links
    from chalicelib.store.output_hosts import OutputHosts
    from chalicelib.store.outputs import Outputs

S = TypeVar("S", bound=settings.Common)


class Collaborators:
    """Builds each collaborator on first use.

    Parameters
    ----------
    environ
        The environment variables of the process. settings.py defines those of Herald.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def close(self) -> None:
        """Close the engine's sockets."""
        self._engine.close()

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
