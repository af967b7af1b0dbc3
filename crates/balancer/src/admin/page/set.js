// The set as a picture: clients, the balancer, the servers, and between them the traffic in proportion. Up to a dozen or so
// servers are drawn one by one; of more, each standing is one flow, and every server a cell in a field.
//
// The picture is for the eye; the table below says the same in words.

import { band, box, cell, serverBox } from "./drawing.js";
import { STANDINGS, isGhost, standing, why } from "./standing.js";
import { amount, byId, drawn, element, inOrder, latency, percent, place, told } from "./words.js";

/** The most servers that are drawn one by one. */
const FEW = 14;
const ROW = 46;
const CELL = 11;
const GAP = 3;

export class TheSet {
  #place = byId("set");
  #legend = byId("legend");
  #state = null;
  #servers = [];
  #width = 0;

  constructor() {
    new ResizeObserver(([entry]) => {
      this.#width = entry.contentRect.width;
      this.#draw();
    }).observe(this.#place);
  }

  show(state, servers) {
    this.#state = state;
    this.#servers = [...servers].sort(inOrder);
    this.#draw();
  }

  #draw() {
    if (!this.#state || this.#width < 1) return;
    const servers = this.#servers;
    const { now, connections, policy } = this.#state;
    const width = Math.max(300, this.#width);
    const narrow = width < 620;
    const wide = narrow ? { client: 70, balancer: 84, server: 138 } : { client: 130, balancer: 150, server: 300 };
    const isFew = servers.length <= FEW;
    const rows = isFew ? servers.map((server) => oneOf(server, narrow)) : grouped(servers);
    const field = isFew ? 0 : fieldHeight(servers.length, width);
    const above = Math.max(rows.length * ROW, 84);
    const middle = above / 2;
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${above + field}`, role: "img", "aria-label": words(this.#state, servers) });
    const between = width - wide.client - wide.balancer - wide.server;
    const left = wide.client + between * (narrow ? 1 / 3 : 0.38);
    band(svg, [wide.client, middle], [left, middle], { share: 1, rate: now.requests, standing: "serving" });
    rows.forEach((row, index) => {
      const y = (above - rows.length * ROW) / 2 + index * ROW + ROW / 2;
      band(svg, [left + wide.balancer, middle], [width - wide.server, y], row);
      serverBox(svg, [width - wide.server + 1, y, wide.server - 2], row, narrow);
    });
    box(svg, [1, middle, wide.client - 2], "Clients", [`${amount(connections)} open`, `${amount(now.requests)}/s`], false);
    const below = narrow ? [latency(now.p50_ms), ""] : [policy.replaceAll("_", " "), `p50 ${latency(now.p50_ms)}`];
    box(svg, [left, middle, wide.balancer], "Balancer", below, true);
    if (!isFew) cells(svg, servers, width, above + 14);
    this.#place.replaceChildren(svg);
    this.#explain(isFew ? [] : servers);
  }

  /** Says what the colours of the field mean. */
  #explain(servers) {
    const keys = Object.keys(counts(servers)).join(" ");
    if (this.#legend.dataset.keys === keys) return;
    this.#legend.dataset.keys = keys;
    this.#legend.replaceChildren(
      ...Object.keys(counts(servers)).map((key) =>
        element("li", { "data-standing": key }, `${STANDINGS[key].symbol} `, element("span", {}, STANDINGS[key].word)),
      ),
    );
  }
}

function words({ now }, servers) {
  const counted = Object.entries(counts(servers)).map(([key, count]) => `${count} ${STANDINGS[key].word}`);
  return `${amount(now.requests)} requests a second go through the balancer to ${servers.length} servers: ${counted.join(", ") || "none"}.`;
}

/** How many there are of each standing, the best first. */
function counts(servers) {
  const all = Object.keys(STANDINGS).reverse().map((key) => [key, servers.filter((server) => standing(server) === key).length]);
  return Object.fromEntries(all.filter(([, count]) => count > 0));
}

function oneOf(server, narrow) {
  const stands = standing(server);
  const rate = server.rate ?? 0;
  const traffic = `${amount(rate)}/s · ${percent(server.share ?? 0)}`;
  const inFlight = server.in_flight > 0 || !isGhost(stands) ? `${amount(server.in_flight ?? 0)} in flight` : "";
  return {
    standing: stands,
    title: server.server,
    address: [server.upstream && `of ${server.upstream}`, server.address === server.server ? "" : server.address].filter(Boolean).join(" · "),
    share: server.share ?? 0,
    rate: isGhost(stands) ? 0 : rate,
    detail: stands === "serving" ? traffic : absent(server, stands, narrow),
    more: inFlight,
    key: place(server),
  };
}

function absent(server, stands, narrow) {
  if (narrow || !isGhost(stands)) return STANDINGS[stands].word;
  return server.left ? server.words : `${STANDINGS[stands].word} ${why(server)}`;
}

function grouped(servers) {
  return Object.entries(counts(servers)).map(([key, count]) => {
    const members = servers.filter((server) => standing(server) === key);
    const sum = (field) => members.reduce((total, server) => total + (server[field] ?? 0), 0);
    return {
      standing: key,
      title: `${count} ${STANDINGS[key].word}`,
      address: "",
      share: sum("share"),
      rate: isGhost(key) ? 0 : sum("rate"),
      detail: `${amount(sum("rate"))}/s · ${percent(sum("share"))}`,
      more: `${amount(sum("in_flight"))} in flight`,
      key,
    };
  });
}

function columns(width) {
  return Math.floor((width + GAP) / (CELL + GAP));
}

function fieldHeight(count, width) {
  return 18 + Math.ceil(count / columns(width)) * (CELL + GAP);
}

/** Every server as a cell, in the order of their names. */
function cells(svg, servers, width, top) {
  const across = columns(width);
  servers.forEach((server, index) => {
    const stands = standing(server);
    const x = (index % across) * (CELL + GAP);
    const y = top + Math.floor(index / across) * (CELL + GAP);
    cell(svg, [x, y, CELL], stands, server.rate > 0, `${told(server)}: ${STANDINGS[stands].word}, ${amount(server.rate ?? 0)}/s`);
  });
}
