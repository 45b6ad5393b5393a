"""The application's settings, from the environment or from the file .env."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`make up` writes the values of `herald_…` to build/local/stack.env."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    herald_database_url: str
    herald_callbacks_url: str
    herald_webhook_secret: str
    herald_jwt_secret: str
    herald_jwt_issuer: str
    herald_jwt_audience: str

    server_url: str = "http://127.0.0.1:8000"  # where this server is reached
    replicate_api_token: str = ""  # without a token, stand_in.py plays Replicate
    herald_provider_keys: str = ""  # stand_in.py signs with these


settings = Settings()
