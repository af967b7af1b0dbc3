// The set as a picture: clients, the balancer, the servers, and between them the traffic in proportion. Up to a dozen or so
// servers are drawn one by one; of more, each standing is one flow, and every server a cell in a field.
//
// The picture is for the eye; the table below says the same in words.

import { STANDINGS, amount, drawn, element, latency, natural, percent, standing } from "./words.js";

/** The most servers that are drawn one by one. */
const FEW = 14;
const ROW = 46;
const BOX = 38;
const CELL = 11;
const GAP = 3;

export class TheSet {
  #place = document.getElementById("set");
  #state = null;
  #width = 0;

  constructor() {
    document.getElementById("legend").append(
      ...Object.entries(STANDINGS).reverse().map(([key, { symbol, word }]) =>
        element("li", { "data-standing": key }, `${symbol} `, element("span", {}, word)),
      ),
    );
    new ResizeObserver(([entry]) => {
      this.#width = entry.contentRect.width;
      this.#draw();
    }).observe(this.#place);
  }

  show(state) {
    this.#state = state;
    this.#draw();
  }

  #draw() {
    if (!this.#state || this.#width < 1) return;
    const { endpoints, now, connections, policy } = this.#state;
    const width = Math.max(300, this.#width);
    const narrow = width < 620;
    const box = narrow ? { client: 70, balancer: 84, server: 138 } : { client: 130, balancer: 150, server: 250 };
    const rows = endpoints.length <= FEW ? oneByOne(endpoints, narrow) : grouped(endpoints);
    const field = endpoints.length <= FEW ? 0 : fieldHeight(endpoints.length, width);
    const above = Math.max(rows.length * ROW, 110);
    const middle = above / 2;
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${above + field}`, role: "img", "aria-label": words(this.#state) });
    const left = narrow ? box.client + (width - box.client - box.balancer - box.server) / 3 : box.client + (width - box.client - box.balancer - box.server) * 0.38;
    flow(svg, [box.client, middle], [left, middle], { share: 1, rate: now.requests, standing: "serving" });
    rows.forEach((row, index) => {
      const y = (above - rows.length * ROW) / 2 + index * ROW + ROW / 2;
      flow(svg, [left + box.balancer, middle], [width - box.server, y], row);
      server(svg, width - box.server + 1, y, box.server - 2, row, narrow);
    });
    node(svg, 1, middle, box.client - 2, "Clients", `${amount(connections)} open`, `${amount(now.requests)}/s`, false);
    node(svg, left, middle, box.balancer, "Balancer", narrow ? latency(now.p50_ms) : policy.replaceAll("_", " "), narrow ? "" : `p50 ${latency(now.p50_ms)}`, true);
    if (field) cells(svg, endpoints, width, above + 14);
    this.#place.replaceChildren(svg);
  }
}

function words({ endpoints, now }) {
  const counted = Object.entries(counts(endpoints)).map(([key, count]) => `${count} ${STANDINGS[key].word}`);
  return `${amount(now.requests)} requests a second go through the balancer to ${endpoints.length} servers: ${counted.join(", ") || "none"}.`;
}

function counts(endpoints) {
  const counts = {};
  for (const endpoint of endpoints) counts[standing(endpoint)] = (counts[standing(endpoint)] ?? 0) + 1;
  return counts;
}

/** Only the host or only the port of an address, where that tells the servers apart as well. */
function shorter(address, endpoints) {
  const [host, port] = [address.replace(/:\d+$/, ""), address.match(/:\d+$/)?.[0] ?? ""];
  const alike = endpoints.filter((other) => other.address.startsWith(`${host}:`)).length;
  if (alike === 1) return host;
  return alike === endpoints.length ? port : address;
}

function oneByOne(endpoints, narrow) {
  const sorted = [...endpoints].sort((one, other) => natural(one.address, other.address));
  return sorted.map((endpoint) => ({
    standing: standing(endpoint),
    title: narrow ? shorter(endpoint.address, endpoints) : endpoint.address,
    share: endpoint.share,
    rate: endpoint.rate,
    detail: `${amount(endpoint.rate)}/s · ${percent(endpoint.share)}`,
    more: `${amount(endpoint.in_flight)} in flight`,
  }));
}

function grouped(endpoints) {
  const groups = new Map();
  for (const endpoint of endpoints) {
    const key = standing(endpoint);
    const group = groups.get(key) ?? { standing: key, members: 0, share: 0, rate: 0, inFlight: 0 };
    group.members += 1;
    group.share += endpoint.share;
    group.rate += endpoint.rate;
    group.inFlight += endpoint.in_flight;
    groups.set(key, group);
  }
  const order = Object.keys(STANDINGS).reverse();
  return order.filter((key) => groups.has(key)).map((key) => {
    const group = groups.get(key);
    return {
      ...group,
      title: `${group.members} ${STANDINGS[key].word}`,
      detail: `${amount(group.rate)}/s · ${percent(group.share)}`,
      more: `${amount(group.inFlight)} in flight`,
    };
  });
}

/** Traffic as a band whose width is its share, with motes that run faster the more there is. */
function flow(svg, [x1, y1], [x2, y2], { share, rate, standing: key }) {
  const bend = (x2 - x1) / 2;
  const d = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  const group = drawn("g", { "data-standing": key });
  if (rate > 0) {
    group.append(drawn("path", { class: "flow", d, "stroke-width": (2 + 12 * share).toFixed(1) }));
    const motes = drawn("path", { class: "motes", d, "stroke-width": (2 + 3 * share).toFixed(1) });
    const seconds = Math.min(4, Math.max(0.35, 2.4 / Math.log10(10 + rate)));
    motes.style.animationDuration = `${seconds.toFixed(2)}s`;
    // A picture that is drawn anew each second must not start its motes anew each second.
    motes.style.animationDelay = `-${((performance.now() / 1000) % seconds).toFixed(2)}s`;
    group.append(motes);
  } else {
    group.append(drawn("path", { class: "still", d }));
    if (key === "ejected" || key === "vanished") {
      const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
      group.append(drawn("path", { class: "cut", d: `M${x - 6} ${y - 6}l12 12m0 -12l-12 12` }));
    }
  }
  svg.append(group);
}

function node(svg, x, y, width, title, first, second, isCentre) {
  const text = (dy, words, look) => drawn("text", { x: x + width / 2, y: y + dy, "text-anchor": "middle", class: look }, words);
  svg.append(
    drawn("rect", { class: isCentre ? "box centre" : "box", x, y: y - 34, width, height: 68, rx: 10 }),
    text(-12, title, "strong"),
    text(6, first, "soft"),
    text(22, second, "soft"),
  );
}

function server(svg, x, y, width, row, narrow) {
  const group = drawn("g", { "data-standing": row.standing });
  const text = (dx, dy, words, look) => drawn("text", { x: x + dx, y: y + dy, class: look }, words);
  group.append(
    drawn("rect", { class: "server-box", x, y: y - BOX / 2, width, height: BOX, rx: 8 }),
    text(9, 5, STANDINGS[row.standing].symbol, "symbol"),
    text(28, -3, row.title, "strong"),
    text(28, 13, row.rate > 0 || row.members ? row.detail : STANDINGS[row.standing].word, "soft"),
  );
  if (!narrow) {
    const more = text(width - 9, 13, row.more, "soft");
    more.setAttribute("text-anchor", "end");
    group.append(more);
  }
  svg.append(group);
}

function columns(width) {
  return Math.floor((width + GAP) / (CELL + GAP));
}

function fieldHeight(count, width) {
  return 18 + Math.ceil(count / columns(width)) * (CELL + GAP);
}

/** Every server as a cell, in the order of their addresses. */
function cells(svg, endpoints, width, top) {
  const across = columns(width);
  const sorted = [...endpoints].sort((one, other) => natural(one.address, other.address));
  sorted.forEach((endpoint, index) => {
    const key = standing(endpoint);
    const x = (index % across) * (CELL + GAP);
    const y = top + Math.floor(index / across) * (CELL + GAP);
    const title = drawn("title", {}, `${endpoint.address}: ${STANDINGS[key].word}, ${amount(endpoint.rate)}/s`);
    // What serves without traffic is paler than what works.
    const opacity = key === "serving" ? (endpoint.rate > 0 ? 0.9 : 0.45) : 1;
    svg.append(drawn("rect", { class: "cell", "data-standing": key, x, y, width: CELL, height: CELL, rx: 2, "fill-opacity": opacity }, title));
  });
}
