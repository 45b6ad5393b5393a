"use client";

import { HeraldProvider } from "herald-events/react";
import { herald } from "@/lib/herald";
import type { Picture } from "@/lib/picture";
import { Composer } from "./Composer";
import { Connection } from "./Connection";
import { Gallery } from "./Gallery";

export function Darkroom({ rows }: { rows: Picture[] }) {
  return (
    <HeraldProvider client={herald}>
      <header>
        <h1>Darkroom</h1>
        <Connection />
      </header>
      <main>
        <Composer />
        <Gallery rows={rows} />
      </main>
    </HeraldProvider>
  );
}
