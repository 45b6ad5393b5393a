import { useGeneration } from "herald-events/react";
import type { Picture } from "./herald";

export function Card({ id }: { id: string }) {
  const picture = useGeneration<Picture>(id);
  if (!picture) return null;
  return (
    <li className="card" data-status={picture.status}>
      <figure>
        <div className="frame">
          {picture.status === "PENDING" && <Developing {...picture} />}
          {picture.status === "COMPLETE" && <img src={picture.imageUrl ?? undefined} alt={picture.prompt ?? ""} />}
          {picture.status === "ERROR" && (
            <p className="failure">
              <strong>{picture.error?.code === "moderated" ? "Refused" : "Failed"}</strong>
              {picture.error?.message}
            </p>
          )}
        </div>
        <figcaption>
          <span className="prompt">{picture.prompt}</span>
          {picture.style && <span className="style">{picture.style}</span>}
        </figcaption>
      </figure>
    </li>
  );
}

function Developing({ progress, step, previewUrl }: { progress?: number | null; step?: string | null; previewUrl?: string | null }) {
  const fraction = progress ?? percentage(step);
  return (
    <>
      {previewUrl && <img className="preview" src={previewUrl} alt="" style={{ "--done": fraction ?? 0 }} />}
      <div className="progress">
        <span>{fraction === undefined ? "Waiting" : `${Math.round(fraction * 100)} %`}</span>
        <progress value={fraction} aria-label="Progress" />
      </div>
    </>
  );
}

/** Replicate reports no fraction, but the models' logs contain one: "43%|████ | 12/28". */
function percentage(step?: string | null): number | undefined {
  const found = step?.match(/(\d{1,3})%/)?.[1];
  return found === undefined ? undefined : Math.min(Number(found) / 100, 1);
}
