"use client";

import { useGenerations, useHerald } from "herald-events/react";
import { useEffect } from "react";
import type { Picture } from "@/lib/picture";
import { Card } from "./Card";

/** `rows` are those that the server has rendered. */
export function Gallery({ rows }: { rows: Picture[] }) {
  const herald = useHerald<Picture>();
  const known = useGenerations<Picture>();

  useEffect(() => {
    for (const row of rows.toReversed()) if (!herald.generation(row.id)) herald.put(row);
  }, [herald, rows]);

  const pictures = known.length > 0 ? known : rows;
  if (pictures.length === 0) return <p className="empty">Your pictures develop here.</p>;
  return (
    <ul className="pictures">
      {pictures.map(({ id }) => (
        <Card key={id} id={id} row={rows.find((row) => row.id === id)} />
      ))}
    </ul>
  );
}
