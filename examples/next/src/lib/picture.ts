import type { Failure, Row, Status } from "herald-events";

/** What the page shows. Herald's client needs `id`, `status` and `updatedAt`. */
export interface Picture extends Row {
  status: Status;
  prompt: string;
  imageUrl: string | null;
  error: Failure | null;
}
