import { NextResponse, type NextRequest } from "next/server";

/** Gives each visitor an id. Use your own login instead. */
export function proxy(request: NextRequest) {
  if (request.cookies.has("user")) return NextResponse.next();
  const user = crypto.randomUUID();
  request.cookies.set("user", user); // for the page that is rendered now
  const response = NextResponse.next({ request });
  response.cookies.set("user", user, { httpOnly: true, sameSite: "lax", maxAge: 30 * 86_400 });
  return response;
}

export const config = { matcher: ["/", "/api/:path*"] };
