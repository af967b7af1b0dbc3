// How figures are put into words, and words into elements. Times of day are UTC, as in the log and in the report.

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

/** 3 servers, 1 server. */
export function counted(count, of) {
  return `${amount(count)} ${of}${count === 1 ? "" : "s"}`;
}

/** The time of day: 16:58:57; with tenths where they matter. */
export function clock(atMs, tenths = false) {
  return new Date(atMs).toISOString().slice(11, tenths ? 21 : 19);
}

/** Order of names as people read them: server-9 before server-10. */
const natural = new Intl.Collator("en", { numeric: true }).compare;

/** Where a server is: the same address may be of several upstreams. */
export function place({ upstream, address }) {
  return upstream ? `${upstream} ${address}` : address;
}

/** What a server is called among all: with its upstream, where there are several. */
export function told({ server, upstream }) {
  return upstream ? `${server} of ${upstream}` : server;
}

/** Order of servers: by upstream where there are several, by name, and where names are alike by address. */
export function inOrder(one, other) {
  return natural(one.upstream ?? "", other.upstream ?? "") || natural(one.server, other.server) || natural(one.address, other.address);
}

export function byId(id) {
  return document.getElementById(id);
}

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
