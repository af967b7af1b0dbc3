// What the state of a server is called and how it looks. The one place that decides it.

import { clock, duration, place } from "./words.js";

/** The standings of a server, worst first: what to call them and which symbol goes with them. */
export const STANDINGS = {
  ejected: { symbol: "✕", word: "ejected" },
  crashed: { symbol: "⊗", word: "crashed" },
  stopped: { symbol: "⊖", word: "stopped" },
  removed: { symbol: "○", word: "no longer listed" },
  probation: { symbol: "◐", word: "on probation" },
  suspect: { symbol: "▲", word: "suspect" },
  busy: { symbol: "◕", word: "busy" },
  unproven: { symbol: "…", word: "not yet proven" },
  draining: { symbol: "▽", word: "draining" },
  serving: { symbol: "●", word: "serving" },
};

/** Those that are not there: shown as ghosts. */
const GHOSTS = new Set(["crashed", "stopped", "removed"]);

/** Which standing a server has: the one that explains best why it gets requests or none. */
export function standing(server) {
  if (server.left) return server.left;
  if (server.vanished) return "removed";
  if (server.state === "ejected") return isGhost(server.struck?.cause) ? server.struck.cause : "ejected";
  if (server.draining || server.leaving) return "draining";
  if (server.state === "probation") return "probation";
  if (server.state === "unproven") return "unproven";
  if (server.busy) return "busy";
  return server.suspect ? "suspect" : "serving";
}

export function isGhost(standing) {
  return GHOSTS.has(standing);
}

/** Why it stands like that, in a few words. */
export function why(server) {
  if (server.left) return server.words;
  const since = `for ${duration(server.state_for_ms)}`;
  const stands = standing(server);
  switch (stands) {
    case "removed":
      return "and finishes what it has";
    case "crashed":
    case "stopped":
      return `since ${clock(server.struck.begun_ms)} UTC`;
    case "ejected": {
      const next = server.retry_in_ms > 0 ? `, tried again in ${duration(server.retry_in_ms)}` : "";
      return `${server.cause} ${since}${next}`;
    }
    case "draining":
      return server.draining ? "told to drain" : "it is about to leave";
    case "probation":
      return `was ${server.cause}; single requests try it`;
    case "unproven":
      return "waits for its first passed probe";
    case "busy":
      return "takes connections, has not answered a probe; used while no other is free";
    case "suspect":
      return "nothing new until a probe has passed";
    default:
      return server.backup ? `backup, ${since}` : since;
  }
}

/** Endpoints and those that are gone, in one order, each with what has struck it. */
export function everybody({ endpoints, gone }, struck) {
  const there = new Set(endpoints.filter((endpoint) => !endpoint.vanished).map((endpoint) => place(endpoint)));
  const left = gone.filter((ghost) => !there.has(place(ghost)));
  const ghosts = new Set(left.map((ghost) => place(ghost)));
  const known = endpoints.filter((endpoint) => !ghosts.has(place(endpoint)));
  return [...known.map((endpoint) => ({ ...endpoint, struck: struck.get(place(endpoint)) })), ...left];
}
