// The story: what befell servers, in the balancer's own sentences. What lasts, and the latest while it is fresh, is a card;
// all before is folded. In calm it is one quiet line.

import { STANDINGS, standing } from "./standing.js";
import { byId, clock, counted, element, latency, place, say, told } from "./words.js";

/** How long the latest stays a card after its end. */
const FRESH_MS = 300_000;

/** The most cards of what lasts; more are in the list below. */
const CARDS = 4;

/** The most servers that are named in the line above. */
const NAMED = 3;

export class Story {
  #incidents = new Map();
  #cards = new Map();
  #latest = byId("incidents");
  #earlier = byId("earlier");

  /** Starts over with those that are kept. */
  begin(incidents) {
    this.#incidents = new Map(incidents.map((incident) => [incident.id, incident]));
    for (const [id, card] of this.#cards) {
      if (this.#incidents.has(id)) continue;
      card.node.remove();
      this.#cards.delete(id);
    }
  }

  add(incident) {
    this.#incidents.set(incident.id, incident);
  }

  /** What lasts, by the place that it struck. */
  struck() {
    const lasting = [...this.#incidents.values()].filter((incident) => incident.ended_ms === null && incident.address);
    return new Map(lasting.map((incident) => [place(incident), incident]));
  }

  /** When something began that nobody meant. */
  alarms() {
    return [...this.#incidents.values()].filter((incident) => incident.alarm).map((incident) => incident.begun_ms);
  }

  show(state, servers, isLost) {
    const newestFirst = [...this.#incidents.values()].sort((one, other) => other.begun_ms - one.begun_ms || other.id - one.id);
    const lasting = newestFirst.filter((incident) => incident.ended_ms === null);
    const isFresh = ({ ended_ms }) => ended_ms !== null && state.at_ms - ended_ms < FRESH_MS;
    const top = [...lasting.slice(0, CARDS), ...newestFirst.slice(0, 1).filter(isFresh)];
    const rest = newestFirst.filter((incident) => !top.includes(incident));
    const gone = new Set(state.gone.map((ghost) => place(ghost)));
    this.#fill(this.#latest, top, gone);
    this.#fill(byId("earlier-incidents"), rest, gone);
    this.#earlier.hidden = rest.length === 0;
    say(byId("earlier-count"), counted(rest.length, top.length > 0 ? "earlier incident" : "incident"));
    this.#line(state, servers, newestFirst, isLost);
  }

  #fill(list, incidents, gone) {
    const nodes = incidents.map((incident) => this.#card(incident, gone.has(place(incident))));
    const same = nodes.length === list.children.length && nodes.every((node, index) => node === list.children[index]);
    if (!same) list.replaceChildren(...nodes);
  }

  #card(incident, isGone) {
    const card = this.#cards.get(incident.id) ?? new Card();
    this.#cards.set(incident.id, card);
    card.show(incident, isGone);
    return card.node;
  }

  #line(state, servers, newestFirst, isLost) {
    const usable = state.endpoints.filter((endpoint) => endpoint.usable).length;
    const all = usable === state.known;
    const line = byId("calm");
    line.dataset.kind = isLost ? "lost" : usable === 0 ? "alarm" : all ? "calm" : "less";
    const serving = `${usable} of ${state.known} servers serving`;
    if (isLost) {
      say(line, `The balancer is lost. At ${clock(state.at_ms)} UTC it was: ${serving}. What is shown is how it was then.`);
      return;
    }
    const lasts = newestFirst.some((incident) => incident.ended_ms === null);
    const since = Math.max(state.at_ms - state.uptime_ms, ...newestFirst.map((incident) => incident.ended_ms ?? 0));
    const quiet = lasts ? "" : ` Nothing has happened since ${clock(since)} UTC.`;
    say(line, `${serving}${others(servers)}.${quiet}`);
  }
}

/** Who does not serve, in words. */
function others(servers) {
  const out = servers.filter((server) => standing(server) !== "serving");
  if (out.length === 0 || out.length > NAMED) return "";
  return `; ${out.map((server) => `${told(server)} ${STANDINGS[standing(server)].word}`).join(", ")}`;
}

/** One incident. It is made once and changed in place, so that what was opened stays open. */
class Card {
  #incident = null;
  #symbol = element("span", { class: "symbol", "aria-hidden": "true" });
  #sentence = element("p", { class: "sentence" });
  #counts = element("ul", { class: "counts" });
  #why = element("p");
  #steps = element("ol", { class: "steps" });
  node = element(
    "li",
    { class: "incident" },
    this.#symbol,
    this.#sentence,
    this.#counts,
    element("details", {}, element("summary", {}, "why?"), this.#why, this.#steps),
  );

  show(incident, isGone) {
    const { cause, alarm, ended_ms, sentence, why, steps } = incident;
    // Whoever is gone has not recovered, though nothing more will come of it.
    const kind = !alarm ? "told" : ended_ms === null ? "lasts" : isGone ? "gone" : "over";
    this.node.dataset.kind = kind;
    say(this.#symbol, { told: "i", lasts: "!", gone: "–", over: "✓" }[kind]);
    if (this.#incident === incident) return;
    this.#incident = incident;
    this.node.dataset.incident = incident.id;
    this.node.dataset.cause = cause;
    say(this.#sentence, sentence);
    this.#counts.replaceChildren(...counts(incident));
    say(this.#why, why);
    this.#steps.replaceChildren(
      ...steps.map((step) =>
        element("li", {}, element("time", { datetime: new Date(step.at_ms).toISOString() }, clock(step.at_ms, true)), element("span", {}, step.text)),
      ),
    );
  }
}

function counts({ counts, at_least: atLeast, slowest_added_ms: added }) {
  if (counts.on_it === 0) return [];
  const figures = [
    ["", counted(counts.on_it, "request")],
    ["", `${counts.answered} answered`],
    [counts.failed > 0 ? "bad" : "", `${counts.failed} failed`],
    [counts.doubled > 0 ? "bad" : "", `${counts.doubled} doubled`],
  ];
  if (counts.moved > 0) figures.push(["", `${counts.moved} moved on the way`]);
  if (added !== null) figures.push(["", `at most ${latency(added)} later`]);
  if (atLeast) figures.push(["", "at least: some were not counted"]);
  return figures.map(([look, text]) => element("li", { class: look }, text));
}
