import { cookies } from "next/headers";

/** Returns the visitor's id, which must be the row's `user_id` and the token's `sub`. */
export async function currentUser(): Promise<string> {
  const user = (await cookies()).get("user")?.value;
  if (!user) throw new Error("no user: proxy.ts must run before this");
  return user;
}
