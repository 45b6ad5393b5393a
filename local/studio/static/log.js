/** The log of events, newest first. */
const LONGEST = 200;

export class Log {
  #list;

  constructor(list) {
    this.#list = list;
  }

  /** Adds a line, with details below it. `kind` is event, state, gap, error or note. */
  add(kind, text, detail = "") {
    const line = document.createElement("li");
    line.dataset.kind = kind;
    const time = document.createElement("time");
    const now = new Date();
    time.dateTime = now.toISOString();
    time.textContent = now.toLocaleTimeString([], { hour12: false });
    const words = document.createElement("p");
    words.textContent = text;
    if (detail) words.append(Object.assign(document.createElement("small"), { textContent: detail }));
    line.append(time, words);
    this.#list.prepend(line);
    while (this.#list.children.length > LONGEST) this.#list.lastElementChild.remove();
  }
}
