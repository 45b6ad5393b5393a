/** The JavaScript client with the `ws` package of Node.js; reports what it sees, one JSON array per line. */
import { createRequire } from "node:module";
import { Herald } from "../../../clients/js/herald.js";

const [url, token, packages] = process.argv.slice(2);
const WebSocket = createRequire(`${packages}/`)("ws");
const herald = new Herald({ url, token: () => token, platform: { WebSocket } });
const tell = (...words) => console.log(JSON.stringify(words));
process.on("uncaughtException", (error) => tell("crash", String(error)));
process.on("unhandledRejection", (error) => tell("crash", String(error)));
herald.on("state", (state, reason) => tell("state", state, reason));
herald.on("event", ({ subject }) => tell("event", subject));
herald.on("error", ({ name, message }) => tell("error", name, message));

// A client that is disposed of while its socket opens.
const hasty = new Herald({ url, token: () => token, platform: { WebSocket } });
hasty.connect();
setTimeout(() => hasty.dispose());

herald.connect();
process.stdin.once("data", () => {
  herald.dispose();
  process.stdin.destroy(); // nothing but the client could keep the process running
});
