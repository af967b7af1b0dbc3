// How figures and states are put into words. The one place that decides what a state is called and how it looks.

/** The standings of an endpoint, worst first: what to call them and which symbol goes with them. */
export const STANDINGS = {
  ejected: { symbol: "✕", word: "ejected" },
  vanished: { symbol: "○", word: "gone" },
  probation: { symbol: "◐", word: "on probation" },
  suspect: { symbol: "▲", word: "suspect" },
  unproven: { symbol: "…", word: "not yet proven" },
  draining: { symbol: "▽", word: "draining" },
  serving: { symbol: "●", word: "serving" },
};

/** Which standing an endpoint has: the one that explains best why it gets requests or none. */
export function standing(endpoint) {
  if (endpoint.vanished) return "vanished";
  if (endpoint.state === "ejected") return "ejected";
  if (endpoint.draining || endpoint.leaving) return "draining";
  if (endpoint.state === "probation") return "probation";
  if (endpoint.state === "unproven") return "unproven";
  return endpoint.suspect ? "suspect" : "serving";
}

/** Why it stands like that, in a few words; empty where there is nothing to explain. */
export function why(endpoint) {
  const since = `for ${duration(endpoint.state_for_ms)}`;
  switch (standing(endpoint)) {
    case "vanished":
      return "no look-up finds it";
    case "ejected": {
      const next = endpoint.retry_in_ms > 0 ? `, tried again in ${duration(endpoint.retry_in_ms)}` : "";
      return `${endpoint.cause} ${since}${next}`;
    }
    case "draining":
      return endpoint.draining ? "told to drain" : "it is about to leave";
    case "probation":
      return `was ${endpoint.cause}; single requests try it`;
    case "unproven":
      return "waits for its first passed probe";
    case "suspect":
      return "nothing new until a probe has passed";
    default:
      return endpoint.backup ? `backup, ${since}` : since;
  }
}

/** Something countable, short: 12.3, 456, 7.9k, 1.2M. */
export function amount(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1e6) return `${(value / 1e6).toFixed(value < 1e7 ? 1 : 0)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(value < 1e5 ? 1 : 0)}k`;
  if (value >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return value.toFixed(1);
}

/** Milliseconds with the precision that they deserve. */
export function latency(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms >= 10000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms.toFixed(ms < 1 ? 2 : ms < 100 ? 1 : 0)} ms`;
}

/** A stretch of time: 400 ms, 12 s, 5 min, 3 h, 2 d. */
export function duration(ms) {
  const seconds = ms / 1000;
  if (seconds < 1) return `${Math.round(ms)} ms`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

export function percent(share) {
  return share > 0 && share < 0.01 ? "<1 %" : `${Math.round(share * 100)} %`;
}

export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    unit += 1;
  }
  return `${count >= 100 || unit === 0 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

export function clock(atMs) {
  return new Date(atMs).toLocaleTimeString([], { hour12: false });
}

/** Order of addresses as people read them: 10.0.0.9 before 10.0.0.10. */
export const natural = new Intl.Collator("en", { numeric: true }).compare;

/** A new element with attributes and children; text stays text, whatever is in it. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same within a drawing. */
export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Sets a text only where it differs, so that screen readers and selections are left in peace. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
