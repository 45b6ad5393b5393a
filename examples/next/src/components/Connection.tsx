"use client";

import { useConnectionState, useHerald } from "herald-events/react";

const LABELS = {
  connecting: "Connecting",
  catching_up: "Catching up",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
  refused: "Disconnected",
  closed: "Disconnected",
};

export function Connection() {
  const herald = useHerald();
  const { state: current, reason } = useConnectionState();
  const state = reason === "new" ? "connecting" : current; // on the server, and at first in the browser
  return (
    <p className="connection" role="status" data-state={state} title={reason}>
      {LABELS[state]}
      {state === "refused" && <button onClick={() => herald.connect()}>Connect</button>}
    </p>
  );
}
