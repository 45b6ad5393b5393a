/** @import { HeraldError } from './types.js' */

import { claims } from "./credential.js";

/**
 * Returns how many seconds ago a token expired; 0 if it has not expired, or if it cannot be read.
 *
 * @param {string} token
 * @param {number} now in epoch milliseconds
 */
export function expired(token, now) {
  const { exp } = claims(token);
  return typeof exp === "number" ? Math.max(0, Math.floor(now / 1_000 - exp)) : 0;
}

/**
 * Explains why sockets did not open. A browser hides the reason from scripts, so the likely ones are named.
 *
 * @param {string} url
 * @param {string | undefined} origin
 * @param {string} problem what the socket reported, or ""
 * @param {number} late how many seconds ago the token expired
 * @returns {HeraldError}
 */
export function neverOpened(url, origin, problem, late) {
  const token = late ? `it expired ${late} s ago by this machine's clock` : "wrong key, issuer or audience, or expired";
  const causes = [
    ...(origin ? [`the origin ${origin} is not in allowed_origins`] : []),
    `Herald does not accept the token (${token})`,
    `${url} is not the address of the WebSocket API and its stage (Terraform output websocket_url), or cannot be reached`,
  ];
  const message = `Two connections in a row did not open${problem && ` (${problem})`}. Likely causes: ${causes.join("; ")}.`;
  return { name: "never_opened", message: `${message} The client goes on trying.` };
}
