import { Herald, type Row } from "herald-events";

/** A row of /api/generations. */
export interface Picture extends Row {
  prompt: string;
  style: string;
  createdAt: string;
}

async function request(path: string, options?: RequestInit): Promise<Response> {
  const response = await fetch(path, options);
  if (!response.ok) throw new Error(`${path}: HTTP status ${response.status}`);
  return response;
}

export const herald = new Herald<Picture>({
  url: import.meta.env.VITE_HERALD_URL,
  token: async () => (await request("/api/token")).text(),
  load: async ({ signal }) => (await request("/api/generations", { signal })).json(),
});

/** Asks the server for a picture, and shows it as pending at once. */
export async function generate(prompt: string, style: string): Promise<void> {
  const response = await request("/api/generations", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt, style }),
  });
  herald.put(await response.json());
}
