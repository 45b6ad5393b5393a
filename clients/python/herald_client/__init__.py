"""Herald's client: events about finished AI generations, each exactly once, over one WebSocket.

The server's side of an integration is in `herald_client.server`.
"""

from herald_client.client import Herald
from herald_client.errors import Closed, HeraldError, Refused
from herald_client.events import (
    COMPLETE,
    ERROR,
    Data,
    Event,
    Failure,
    Gap,
    LoadReason,
    Output,
    Problem,
    Progress,
    ProgressData,
    State,
)
from herald_client.platform import Clock, Connect, Platform, Socket, Timer
from herald_client.position import FileStore, Store

__all__ = [
    "COMPLETE", "ERROR", "Clock", "Closed", "Connect", "Data", "Event", "Failure", "FileStore",
    "Gap", "Herald", "HeraldError", "LoadReason", "Output", "Platform", "Problem", "Progress",
    "ProgressData", "Refused", "Socket", "State", "Store", "Timer",
]  # fmt: skip
__version__ = "0.1.0"
