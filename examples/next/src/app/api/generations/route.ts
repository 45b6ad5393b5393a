import { insert, pictures, setProviderId } from "@/lib/database";
import { Refused, start } from "@/lib/provider";
import { currentUser } from "@/lib/user";
import { reportFailure } from "@/lib/webhook";

export async function GET() {
  return Response.json(await pictures(await currentUser()));
}

export async function POST(request: Request) {
  const { prompt } = await request.json().catch(() => ({}));
  if (typeof prompt !== "string" || prompt.trim() === "" || prompt.length > 500) {
    return Response.json({ error: "prompt: must be a text of 1 to 500 characters" }, { status: 400 });
  }
  const picture = await insert(await currentUser(), prompt); // before the call: a provider can be fast
  try {
    await setProviderId(picture.id, await start(picture.id, prompt));
  } catch (error) {
    console.error(`Generation ${picture.id} was not started`, error);
    // After any other error, a timeout for example, the job may run, and its webhook may come.
    if (error instanceof Refused) await reportFailure(picture.id, "generation_failed", error.message);
  }
  return Response.json(picture, { status: 202 });
}
