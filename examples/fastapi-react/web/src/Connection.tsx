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
  const { state, reason } = useConnectionState();
  return (
    <p className="connection" role="status" data-state={state} title={reason}>
      {LABELS[state]}
      {state === "refused" && <button onClick={() => herald.connect()}>Connect</button>}
    </p>
  );
}
