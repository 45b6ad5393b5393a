/** @import { Platform } from './types.js' */

import { claims } from "./credential.js";

/**
 * Explains why sockets did not open. A browser hides the reason from scripts, so the likely ones are named.
 *
 * @param {Platform} platform
 * @param {string} url
 * @param {string} problem what the socket reported, or ""
 * @param {string} token
 */
export function neverOpened(platform, url, problem, token) {
  const origin = platform.document && globalThis.location?.origin;
  const late = Math.floor(platform.wallClock() / 1_000 - Number(claims(token).exp));
  const expired = late > 0 ? `it expired ${late} s ago by the local clock` : "wrong key, issuer or audience, or expired";
  const causes = [
    ...(origin ? [`the origin ${origin} is not in allowed_origins`] : []),
    `Herald does not accept the token (${expired})`,
    `${url} is not the address of the WebSocket API and its stage, or cannot be reached`,
  ];
  return `Two sockets in a row did not open${problem && ` (${problem})`}. Likely causes: ${causes.join("; ")}`;
}
