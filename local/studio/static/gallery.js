/**
 * The cards of all generations, newest first. All information about a generation is displayed by
 * `show`, whatever its source.
 */
const RANK = { PENDING: 0, ERROR: 1, COMPLETE: 2 };
const STATUS = { PENDING: "Painting…", ERROR: "Failed", COMPLETE: "Complete" };

export class Gallery {
  #list;
  #empty;
  #template;
  /** @type {Map<string, HTMLElement>} */
  #cards = new Map();
  /** Progress that arrived before its card, for example after a reload. */
  #early = new Map();

  constructor({ list, empty, template }) {
    this.#list = list;
    this.#empty = empty;
    this.#template = template;
  }

  clear() {
    this.#cards.clear();
    this.#early.clear();
    this.#list.replaceChildren();
    this.#empty.hidden = true;
  }

  /** Shows a hint when there are no cards; called once the state is known. */
  settle() {
    this.#empty.hidden = this.#cards.size > 0;
  }

  /**
   * Updates a card.
   *
   * `via` is the source: created, state, live, replay or notice; `how` describes it on the card.
   */
  show(id, generation, via, how = "") {
    // A notice has no prompt, so it cannot create a card.
    if (!this.#cards.has(id) && generation.prompt === null) return null;
    const card = this.#cards.get(id) ?? this.#add(id, generation);
    // State that was read before an event arrived is older than the event and must not replace it.
    if (card.dataset.status && RANK[generation.status] <= RANK[card.dataset.status]) return card;
    card.dataset.status = generation.status;
    card.dataset.via = via;
    set(card, ".status", STATUS[generation.status]);
    set(card, ".how", how);
    if (generation.status === "PENDING") {
      const early = this.#early.get(id);
      if (early) this.progress(id, early);
    } else {
      this.#end(card, generation);
    }
    this.#early.delete(id);
    return card;
  }

  /** Shows how far a running generation is. Each of the three can be unknown (null). */
  progress(id, data) {
    const card = this.#cards.get(id);
    if (!card) this.#early.set(id, data);
    if (card?.dataset.status !== "PENDING") return;
    const { progress, step, previewUrl } = data;
    const bar = card.querySelector(".progress");
    const percent = progress === null ? null : Math.round(progress * 100);
    const words = [percent === null ? null : `${percent}%`, step];
    bar.setAttribute("aria-valuetext", words.filter(Boolean).join(", ") || "running");
    if (percent !== null) {
      bar.setAttribute("aria-valuenow", String(percent));
      bar.style.setProperty("--done", `${percent}%`);
    }
    set(card, ".how", step ?? "");
    const image = card.querySelector("img");
    if (!previewUrl || image.src === previewUrl) return;
    image.alt = `Preview of ${card.querySelector(".prompt").textContent}`;
    image.onerror = () => (image.hidden = true); // a preview can also be a video
    image.src = previewUrl;
    image.hidden = false;
  }

  /** Shows a picture or an error, in place of the progress. */
  #end(card, { status, prompt, imageUrl, error }) {
    const image = card.querySelector("img");
    const message = card.querySelector(".message");
    card.querySelector(".progress").hidden = true;
    const fail = (text) => {
      image.hidden = true;
      message.hidden = false;
      message.textContent = text;
    };
    if (status === "ERROR") return fail(error?.message ?? "The generation failed.");
    message.hidden = true;
    image.alt = prompt;
    image.onerror = () => fail("The picture could not be loaded.");
    image.src = imageUrl;
    image.hidden = false;
  }

  #add(id, generation) {
    const card = this.#template.content.firstElementChild.cloneNode(true);
    card.dataset.id = id;
    card.dataset.created = generation.createdAt;
    set(card, ".prompt", generation.prompt);
    card.querySelector(".progress").setAttribute("aria-label", `Progress of ${generation.prompt}`);
    const when = card.querySelector(".when");
    when.dateTime = generation.createdAt;
    when.textContent = new Date(generation.createdAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const created = Date.parse(generation.createdAt);
    const older = [...this.#list.children].find((other) => Date.parse(other.dataset.created) < created);
    this.#list.insertBefore(card, older ?? null);
    this.#cards.set(id, card);
    this.#empty.hidden = true;
    return card;
  }
}

function set(card, selector, text) {
  card.querySelector(selector).textContent = text;
}
