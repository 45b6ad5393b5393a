import { paint } from "@/lib/stand-in";

export async function GET(request: Request, { params }: { params: Promise<{ name: string }> }) {
  const { name } = await params;
  const size = Number(new URL(request.url).searchParams.get("size") ?? 640);
  if (!(size >= 1 && size <= 640)) return new Response("size: must be 1 to 640", { status: 400 });
  return new Response(new Uint8Array(paint(name, Math.floor(size))), { headers: { "content-type": "image/png" } });
}
