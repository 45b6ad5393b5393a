// Compiles only if the JavaScript client's types are those of the contract.
import type { Frame, Gap, Generation, HeraldEvent, Output, Progress } from "./client.js";
import type * as contract from "./contract.js";

// The client numbers its own frames, so an answer repeats a number.
type Answer<F> = F extends { type: "error" }
  ? Omit<F, "re"> & { re: number | null }
  : F extends { re: unknown }
    ? Omit<F, "re"> & { re: number }
    : F;

// Whatever the server sends, the client can take.
export const frame = (sent: Answer<contract.ServerFrame>): Frame => sent;
export const output = (sent: contract.Output): Output => sent;
export const generation = (sent: contract.EventData): Generation => sent;
export const gap = (sent: contract.Gap): Gap => sent;

// The client reads no frame, field or value that the server does not send.
type Unknown<Mine, Sent> = Exclude<keyof Mine, keyof Sent>;
type None<T extends never> = T;
type Of<F, T> = Extract<F, { type: T }>;
type UnknownFields = {
  [T in contract.ServerFrame["type"]]: Unknown<
    Of<Frame, T>,
    Of<contract.ServerFrame, T> & { re: unknown }
  >;
};
export type Frames = None<Exclude<Frame["type"], contract.ServerFrame["type"]>>;
export type Fields = None<UnknownFields[contract.ServerFrame["type"]]>;
export type Outputs = None<Unknown<Output, contract.Output>>;
export type Kinds = None<Exclude<Output["kind"], contract.Output["kind"]>>;
export type Data = None<Unknown<Generation & Progress, contract.EventData>>;
export type Statuses = None<Exclude<Generation["status"], contract.EventData["status"]>>;
export type Attributes = None<Unknown<HeraldEvent, contract.Envelope>>;
export type EventTypes = None<Exclude<HeraldEvent["type"], contract.Envelope["type"]>>;
