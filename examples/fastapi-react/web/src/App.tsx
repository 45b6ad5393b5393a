import { useGenerations } from "herald-events/react";
import { Card } from "./Card";
import { Composer } from "./Composer";
import { Connection } from "./Connection";
import type { Picture } from "./herald";

export function App() {
  const ids = useGenerations<Picture>().map(({ id }) => id);
  return (
    <>
      <header>
        <h1>Darkroom</h1>
        <Connection />
      </header>
      <main>
        <Composer />
        {ids.length === 0 && <p className="empty">Your pictures develop here.</p>}
        <ul className="pictures">
          {ids.map((id) => (
            <Card key={id} id={id} />
          ))}
        </ul>
      </main>
    </>
  );
}
