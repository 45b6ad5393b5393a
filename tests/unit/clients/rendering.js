/** A page that a server renders with the hooks; prints it. */
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { Herald } from "../../../clients/js/herald.js";
import { HeraldProvider, useConnectionState, useGeneration, useGenerations } from "../../../clients/js/react.js";

const token = () => {
  throw new Error("a server does not connect");
};
const client = new Herald({ url: "wss://herald.test", token });
client.put({ id: "1" }); // of another request to the same server

function Page() {
  return JSON.stringify([useConnectionState().state, useGenerations(), useGeneration("1") ?? null]);
}

console.log(renderToString(createElement(HeraldProvider, { client }, createElement(Page))));
