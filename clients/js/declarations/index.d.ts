export { Herald } from "./herald.js";
export type * from "../types.js";
