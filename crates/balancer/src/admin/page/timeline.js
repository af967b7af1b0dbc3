// Every event, newest first: what the incidents above are made of. The list is a log for screen readers: what comes is read
// out, what was there is not.

import { STANDINGS } from "./standing.js";
import { byId, clock, element } from "./words.js";

/** The most that are shown. */
const MOST = 200;

/** Which standing an event looks like. */
const LOOKS = {
  ejected: "ejected",
  failed: "ejected",
  crashed: "crashed",
  stopped: "stopped",
  vanished: "removed",
  removed: "removed",
  suspect: "suspect",
  busy: "busy",
  moved: "suspect",
  probation: "probation",
  draining: "draining",
  leaving: "draining",
  weight: "draining",
  added: "unproven",
  returned: "unproven",
};

export class Timeline {
  #list = byId("timeline");

  /** Starts over with the events that were kept. */
  begin(events) {
    this.#list.setAttribute("aria-busy", "true");
    this.#list.replaceChildren(...events.slice(-MOST).reverse().map(entry));
    // What is put in while busy is not read out.
    requestAnimationFrame(() => this.#list.removeAttribute("aria-busy"));
  }

  add(event) {
    this.#list.prepend(entry(event));
    while (this.#list.children.length > MOST) this.#list.lastElementChild.remove();
  }
}

function entry(event) {
  const standing = LOOKS[event.kind] ?? "serving";
  return element(
    "li",
    { "data-kind": event.kind },
    element("time", { datetime: new Date(event.at_ms).toISOString() }, clock(event.at_ms)),
    element("span", { class: "symbol", "data-standing": standing, "aria-hidden": "true" }, STANDINGS[standing].symbol),
    element("span", {}, event.text),
  );
}
