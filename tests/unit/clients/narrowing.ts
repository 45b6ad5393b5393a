// Compiles only if the types narrow, and refuse what cannot work.
import { Herald, type HeraldEvent, type HeraldProgress } from "herald-events";

interface Picture {
  id: string;
  title: string;
}

declare const herald: Herald<Picture>;

herald.on("event", (event, place) => {
  if (event.type === "herald.generation.error") event.data.error.code.toUpperCase();
  // @ts-expect-error a completed generation has no error
  else event.data.error;
  place.offset?.toFixed();
});
herald.on("progress", ({ data }) => data.progress?.toFixed());
herald.on("state", (state) => {
  // @ts-expect-error there is no such state
  if (state === "ready") return;
});
herald.once("loaded", (reason: "start" | "gap" | "error" | "unreachable") => reason);
// @ts-expect-error there is no such event
herald.on("open", () => {});
// @ts-expect-error an event is not a string
herald.on("event", (event: string) => event);

const title: string | undefined = herald.generation("1")?.title;
herald.put({ id: "1", title: "" });
// @ts-expect-error the application's rows have a title
herald.put({ id: "1" });

const finished = await herald.waitFor("1", { signal: AbortSignal.timeout(1_000) });
if (finished.status === "ERROR") finished.error.message.toUpperCase();
// @ts-expect-error a generation that waitFor returns is not pending
else if (finished.status === "PENDING") finished.title;

const rows = new Herald({ url: "", token: () => "", load: async () => [{ id: "1", pages: 3 }] }).generations;
rows[0].pages.toFixed();
// @ts-expect-error a row needs an id
new Herald({ url: "", token: () => "", load: () => [{ name: "1" }] });
// @ts-expect-error handlers are added with on()
new Herald({ url: "", token: () => "", onEvent: () => {} });

const either = (event: HeraldEvent | HeraldProgress) =>
  event.type === "herald.generation.progress" ? event.data.step : event.data.updatedAt;
export { either, title };
