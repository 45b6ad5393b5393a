import { useState, type FormEvent } from "react";
import { generate } from "./herald";

const STYLES = ["photograph", "watercolor", "linocut", "film still"];

export function Composer() {
  const [prompt, setPrompt] = useState("");
  const [style, setStyle] = useState(STYLES[0]!);
  const [problem, setProblem] = useState("");

  async function submit(event: FormEvent) {
    event.preventDefault();
    setProblem("");
    try {
      await generate(prompt.trim(), style);
      setPrompt("");
    } catch {
      setProblem("The server did not answer. Try again.");
    }
  }

  return (
    <form className="composer" onSubmit={submit}>
      <div className="field">
        <input
          aria-label="Prompt"
          placeholder="A lighthouse above the fog"
          value={prompt}
          maxLength={500}
          autoFocus
          onChange={(event) => setPrompt(event.target.value)}
        />
        <button disabled={!prompt.trim()}>Develop</button>
      </div>
      <fieldset aria-label="Style">
        {STYLES.map((name) => (
          <label key={name}>
            <input type="radio" name="style" checked={name === style} onChange={() => setStyle(name)} />
            {name}
          </label>
        ))}
      </fieldset>
      {problem && <p role="alert">{problem}</p>}
    </form>
  );
}
