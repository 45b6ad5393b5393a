/**
 * Returns the user of a JWT: its unverified `sub`, or "" if the token cannot be read.
 *
 * Only Herald verifies tokens. The client uses the name to store a separate position for each user.
 *
 * @param {string} token
 * @returns {string}
 */
export function subject(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === "string" ? sub : "";
  } catch {
    return "";
  }
}
