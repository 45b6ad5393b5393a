// Compiles only if the JavaScript client's types are those of the contract.
import type * as contract from "./contract.js";
import type { Frame, WireData, WireEvent } from "./internal.js";
import type { Gap, HeraldEvent, HeraldProgress, Output } from "./types.js";

// The client numbers its own frames, so an answer repeats a number.
type Answer<F> = F extends { type: "error" }
  ? Omit<F, "re"> & { re: number | null }
  : F extends { re: unknown }
    ? Omit<F, "re"> & { re: number }
    : F;

// Whatever the server sends, the client can take.
export const frame = (sent: Answer<contract.ServerFrame>): Frame => sent;
export const output = (sent: contract.Output): Output => sent;
export const generation = (sent: contract.EventData): WireData => sent;
export const gap = (sent: contract.Gap): Gap => sent;

// The client reads no frame, field or value that the server does not send.
type Unknown<Mine, Sent> = Exclude<keyof Mine, keyof Sent>;
type None<T extends never> = T;
type AllKeys<T> = T extends T ? keyof T : never;
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
export type Data = None<Unknown<WireData, contract.EventData>>;
export type Statuses = None<Exclude<WireData["status"], contract.EventData["status"]>>;
export type Attributes = None<Unknown<WireEvent, contract.Envelope>>;
export type EventTypes = None<Exclude<WireEvent["type"], contract.Envelope["type"]>>;

// What the client reads is what applications get, by the event's type.
type Given = HeraldEvent | HeraldProgress;
export type Types = None<Exclude<WireEvent["type"], Given["type"]>>;
export type GivenFields = None<Exclude<keyof WireData, AllKeys<Given["data"]>>>;
export const narrowed = (given: Given): WireEvent => given;
