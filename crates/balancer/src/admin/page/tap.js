// The tap: the last requests to which something happened. Each is a waterfall of its attempts, with the route in words.

import { byId, clock, element, latency, say } from "./words.js";

/** The most that are shown, as many as the balancer keeps. */
const MOST = 64;

/** An attempt that took no time is seen all the same, percent. */
const LEAST = 0.8;

/** Attempts that did no harm: a slow one that was not waited for, a connection that had been closed. */
const LEFT = new Set(["abandoned", "silent", "stale"]);

export class Tap {
  #list = byId("tap");

  /** Starts over with those that are kept, oldest first. */
  begin(requests) {
    this.#list.replaceChildren();
    this.add(requests);
  }

  add(requests) {
    for (const request of requests) {
      const key = `${request.id} ${request.at_ms}`;
      if ([...this.#list.children].some((entry) => entry.dataset.key === key)) continue;
      this.#list.prepend(entry(request, key));
    }
    while (this.#list.children.length > MOST) this.#list.lastElementChild.remove();
    say(byId("tapped"), this.#list.children.length > 0 ? `the last ${this.#list.children.length}` : "");
  }
}

function entry(request, key) {
  const failed = request.status === null || request.status >= 500;
  const whole = Math.max(request.took_ms, ...request.attempts.map((attempt) => attempt.begun_ms + attempt.took_ms), 0.001);
  return element(
    "li",
    { "data-key": key, title: `request ${request.id}` },
    element(
      "p",
      { class: "request" },
      element("time", { datetime: new Date(request.at_ms).toISOString() }, clock(request.at_ms, true)),
      element("strong", {}, `${request.method} ${request.path}`),
      element("span", { class: failed ? "outcome bad" : "outcome" }, `${failed ? "✕" : "✓"} ${request.status ?? "cut off"}`),
      element("span", { class: "took" }, latency(request.took_ms)),
    ),
    element("p", { class: "route" }, request.words),
    element("ol", { class: "waterfall", "aria-hidden": "true" }, ...request.attempts.map((attempt) => bar(attempt, whole))),
  );
}

/** One attempt: from when to when it ran, of the whole request. */
function bar(attempt, whole) {
  const look = attempt.outcome === "answered" ? "good" : LEFT.has(attempt.outcome) ? "left" : "bad";
  const line = element("span", { class: look });
  const width = Math.max((100 * attempt.took_ms) / whole, LEAST);
  line.style.marginInlineStart = `${Math.min((100 * attempt.begun_ms) / whole, 100 - width)}%`;
  line.style.width = `${width}%`;
  return element(
    "li",
    { title: attempt.words },
    element("span", { class: "who" }, attempt.server),
    element("span", { class: "track" }, line),
    element("span", { class: "end" }, `${attempt.outcome.replaceAll("_", " ")} · ${latency(attempt.took_ms)}`),
  );
}
