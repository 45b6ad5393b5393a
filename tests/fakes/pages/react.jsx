import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Herald } from "../../../clients/js/herald.js";
import { HeraldProvider, useConnectionState, useGeneration, useGenerations } from "../../../clients/js/react.js";

const root = document.querySelector("#root");
const client = new Herald({
  url: root.dataset.url,
  token: async () => (await fetch("/api/token")).text(),
  load: async ({ reason, signal }) => (await fetch(`/api/generations?reason=${reason}`, { signal })).json(),
});
window.herald = client;

function Pictures() {
  const ids = useGenerations().map(({ id }) => id);
  return (
    <>
      <p id="state">{useConnectionState().state}</p>
      <ul id="list">
        {ids.map((id) => (
          <Picture key={id} id={id} />
        ))}
      </ul>
    </>
  );
}

function Picture({ id }) {
  const { prompt, status, imageUrl } = useGeneration(id);
  return <li>{`${prompt}: ${status} ${imageUrl ?? ""}`.trim()}</li>;
}

createRoot(root).render(
  <StrictMode>
    <HeraldProvider client={client}>
      <Pictures />
    </HeraldProvider>
  </StrictMode>,
);
