"use client";

import { useState, type FormEvent } from "react";
import { generate } from "@/lib/herald";

export function Composer() {
  const [prompt, setPrompt] = useState("");
  const [problem, setProblem] = useState("");

  async function submit(event: FormEvent) {
    event.preventDefault();
    setProblem("");
    try {
      await generate(prompt.trim());
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
      {problem && <p role="alert">{problem}</p>}
    </form>
  );
}
