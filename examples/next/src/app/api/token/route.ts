import { SignJWT } from "jose";
import { currentUser } from "@/lib/user";

export async function GET() {
  const token = await new SignJWT()
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(await currentUser())
    .setIssuer(process.env.HERALD_JWT_ISSUER ?? "")
    .setAudience(process.env.HERALD_JWT_AUDIENCE ?? "")
    .setIssuedAt()
    .setExpirationTime("15m")
    .sign(new TextEncoder().encode(process.env.HERALD_JWT_SECRET));
  return new Response(token, { headers: { "cache-control": "no-store" } });
}
