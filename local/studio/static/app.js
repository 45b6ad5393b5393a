import { Herald } from "/herald/herald.js";
import { Gallery } from "./gallery.js";
import { Line } from "./line.js";
import { Log } from "./log.js";

const OFFLINE_MS = 15_000;
const STATES = {
  connecting: "connecting",
  catching_up: "catching up",
  live: "live",
  reconnecting: "reconnecting",
  offline: "offline",
  refused: "refused",
  closed: "closed",
};

const $ = (id) => document.getElementById(id);
const url = document.querySelector("meta[name=herald-websocket-url]").content;
const line = new Line();
const log = new Log($("log"));
const gallery = new Gallery({ list: $("gallery"), empty: $("empty"), template: $("card") });
/** @type {Herald | null} */
let herald = null;
let user = "";
let lastLogged = "";

/** Shows the images of one user and connects as that user. */
function signIn(name) {
  herald?.dispose();
  user = name;
  $("user").value = name;
  gallery.clear();
  showPosition(null);
  const address = new URL(location.href);
  address.searchParams.set("user", name);
  history.replaceState(null, "", address);
  const client = new Herald({
    url,
    user: name,
    token: async () => (await request(`/api/token?${new URLSearchParams({ user: name })}`)).token,
    load: async ({ signal }) =>
      (await request(`/api/generations?${new URLSearchParams({ user: name })}`, { signal })).generations,
    platform: { WebSocket: line.WebSocket },
  });
  herald = client;
  client.on("loaded", () => showAll(client));
  client.on("state", showState);
  client.on("event", (event, place) => showEvent(event, place));
  client.on("progress", ({ subject, data }) => gallery.progress(subject, data));
  client.on("gap", (gap) => log.add("gap", "Gap: events are missing", `${gap.reason} · state reloaded from ${gap.head}`));
  client.on("error", ({ name, message }) => log.add("error", name, message));
  client.connect();
}

/** Shows the application's rows, at the start and after a gap. */
function showAll({ generations, position }) {
  for (const generation of generations) gallery.show(generation.id, generation, "state");
  gallery.settle();
  showPosition(position);
  log.add("note", "State loaded", `${generations.length} generations`);
}

function showEvent(event, { offset, replayed }) {
  const { subject, data, time } = event;
  const late = Math.max(0, Date.now() - Date.parse(time));
  const via = offset === null ? "notice" : replayed ? "replay" : "live";
  const how = { notice: "notice", replay: `replayed after ${seconds(late)}`, live: `event in ${seconds(late)}` }[via];
  const card = gallery.show(subject, data, via, how);
  const prompt = data.prompt ?? card?.querySelector(".prompt").textContent ?? subject;
  log.add("event", `${data.status} · ${prompt}`, offset === null ? how : `offset ${offset} · ${how}`);
  // The position advances soon after this handler has returned.
  const client = herald;
  setTimeout(() => client === herald && showPosition(client.position));
}

function showState(state) {
  $("state").dataset.state = state;
  $("state").lastElementChild.textContent = STATES[state];
  if (state === "connecting" || state === lastLogged) return;
  lastLogged = state;
  log.add("state", STATES[state]);
}

function showPosition(position) {
  $("position").querySelector("b").textContent = position?.offset ?? "–";
}

function seconds(ms) {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** Fetches JSON from the application; throws an Error with the application's message. */
async function request(path, options) {
  const response = await fetch(path, options);
  const body = await response.json();
  if (!response.ok) throw new Error(body.error?.message ?? `status ${response.status}`);
  return body;
}

/** Starts a generation. Returns whether it was accepted. */
async function generate(prompt) {
  const problem = $("problem");
  problem.hidden = true;
  try {
    const generation = await request("/api/generations", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt, user, provider: $("provider").value }),
    });
    herald.put(generation);
    gallery.show(generation.id, generation, "created");
    return true;
  } catch (error) {
    problem.textContent = `Not started: ${error.message}`;
    problem.hidden = false;
    return false;
  }
}

$("composer").addEventListener("submit", async (submit) => {
  submit.preventDefault();
  const field = $("prompt");
  const prompt = field.value;
  // A rejected prompt stays in the field so that the user can correct it. Text that was typed in
  // the meantime also stays.
  if ((await generate(prompt)) && field.value === prompt) field.value = "";
});

$("examples").addEventListener("click", ({ target }) => {
  if (target instanceof HTMLButtonElement) generate(target.textContent);
});

$("user-form").addEventListener("submit", (submit) => submit.preventDefault());
$("user").addEventListener("change", () => {
  const name = $("user").value.trim();
  if (name && name !== user) signIn(name);
});

$("drop").addEventListener("click", () => {
  log.add("note", "Connection dropped");
  line.cut();
});

let comingBack = 0;
$("offline").addEventListener("click", () => {
  if (line.down) return comeBack();
  log.add("note", "Gone offline", `for ${OFFLINE_MS / 1_000} s, or until the button is pressed again`);
  line.breakDown();
  $("offline").setAttribute("aria-pressed", "true");
  $("offline").textContent = "Come back";
  comingBack = setTimeout(comeBack, OFFLINE_MS);
});

function comeBack() {
  clearTimeout(comingBack);
  line.restore();
  $("offline").setAttribute("aria-pressed", "false");
  $("offline").textContent = "Go offline";
  log.add("note", "Back online");
}

signIn(new URL(location.href).searchParams.get("user") || "alice");
