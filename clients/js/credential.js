/**
 * Returns the claims of a JWT without verifying them, or no claims if the token cannot be read.
 *
 * Only Herald verifies tokens. The client uses `sub` to store a separate position for each user, and `exp` to explain
 * why a connection was refused.
 *
 * @param {string} token
 * @returns {{ sub?: unknown, exp?: unknown }}
 */
export function claims(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}

/**
 * Returns the user of a JWT, or "" if the token names none.
 *
 * @param {string} token
 */
export function subject(token) {
  const { sub } = claims(token);
  return typeof sub === "string" ? sub : "";
}
