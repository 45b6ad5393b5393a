import { standIn } from "./stand-in";

const MODEL = "https://api.replicate.com/v1/models/black-forest-labs/flux-schnell/predictions";

/** The provider has certainly not started the generation. */
export class Refused extends Error {}

/** Starts a prediction whose webhooks go to Herald; returns Replicate's id of it. */
export async function start(id: string, prompt: string): Promise<string> {
  const webhook = `${process.env.HERALD_CALLBACKS_URL}/replicate/${id}`;
  const token = process.env.REPLICATE_API_TOKEN;
  if (!token) return standIn(prompt, webhook);
  const response = await fetch(MODEL, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({
      input: { prompt },
      webhook,
      webhook_events_filter: ["start", "output", "logs", "completed"],
    }),
    signal: AbortSignal.timeout(20_000),
  });
  const { status } = response;
  if (status >= 400 && status < 500 && status !== 408) {
    throw new Refused(`The provider did not accept the request (HTTP status ${status}).`);
  }
  if (!response.ok) throw new Error(`Replicate: HTTP status ${status}`);
  const { id: prediction }: { id: string } = await response.json();
  return prediction;
}
