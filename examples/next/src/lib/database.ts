import { Pool } from "pg";
import type { Picture } from "./picture";

const pool = new Pool({ connectionString: process.env.HERALD_DATABASE_URL });

const COLUMNS = `id, status, prompt, image_url AS "imageUrl", error, updated_at AS "updatedAt"`;

/** Returns the user's pictures, newest first. */
export async function pictures(user: string): Promise<Picture[]> {
  const { rows } = await pool.query(
    `SELECT ${COLUMNS} FROM herald.generations WHERE user_id = $1 ORDER BY created_at DESC LIMIT 60`,
    [user],
  );
  return rows.map(toPicture);
}

/** Inserts a generation, which is PENDING. */
export async function insert(user: string, prompt: string): Promise<Picture> {
  const { rows } = await pool.query(
    `INSERT INTO herald.generations (id, user_id, prompt, provider)
     VALUES (gen_random_uuid(), $1, $2, 'replicate') RETURNING ${COLUMNS}`,
    [user, prompt],
  );
  return toPicture(rows[0]);
}

/** Stores the provider's id, unless a webhook has already done so. */
export async function setProviderId(id: string, providerId: string): Promise<void> {
  await pool.query(
    "UPDATE herald.generations SET provider_id = $2 WHERE id = $1 AND provider_id IS NULL",
    [id, providerId],
  );
}

function toPicture(row: Omit<Picture, "updatedAt"> & { updatedAt: Date }): Picture {
  return { ...row, updatedAt: row.updatedAt.toISOString() };
}
