import { createHmac, randomUUID } from "node:crypto";

/** Sends Herald a webhook that is signed according to Standard Webhooks. */
export async function send(url: string, secret: string, content: object): Promise<void> {
  const body = JSON.stringify(content);
  const id = `msg_${randomUUID()}`;
  const timestamp = String(Math.floor(Date.now() / 1000));
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": `v1,${signature}`,
    },
    body,
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`Herald did not accept the webhook: HTTP status ${response.status}`);
}

/** Ends a generation as ERROR. If it already has a result, nothing changes. */
export function reportFailure(generationId: string, code: string, message: string): Promise<void> {
  const url = `${process.env.HERALD_CALLBACKS_URL}/generations`;
  const report = { generationId, status: "ERROR", error: { code, message } };
  return send(url, process.env.HERALD_WEBHOOK_SECRET ?? "", report);
}
