"""Finds a provider's adapter by the provider's name in the callback path."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.providers.adapter import Adapter

NAMES = frozenset(
    {
        "bfl",
        "comfydeploy",
        "fal",
        "gemini",
        "generations",
        "hmac",
        "ideogram",
        "kling",
        "leonardo",
        "luma",
        "openai",
        "replicate",
        "runpod",
        "runway",
        "sagemaker",
        "stability",
        "wavespeed",
    }
)


def adapter(name: str) -> Adapter | None:
    """Return a provider's adapter, or None for an unknown name. Only that module is imported."""
    if name not in NAMES:
        return None
    found: Adapter = import_module(f"chalicelib.providers.{name}").ADAPTER
    return found
