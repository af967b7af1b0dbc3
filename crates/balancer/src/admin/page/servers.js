// The table of servers, those that are gone among them. A row is made once for a place and changed in place, so that focus,
// selection and a weight that is being typed survive every state. Of many servers only the first are shown, those with
// trouble before the others. Where there are several upstreams, each has its servers below its name.

import { Row } from "./row.js";
import { STANDINGS, standing } from "./standing.js";
import { byId, element, inOrder, place, say } from "./words.js";

/** Rows shown at first, and with each further press of the button. */
const PAGE = 50;

/** The most servers that stay in the order of their names whatever happens to them. */
const STEADY = 50;

const TROUBLE = Object.keys(STANDINGS);

export class Servers {
  #rows = new Map();
  #headings = new Map();
  #servers = [];
  #limit = PAGE;
  #control;
  #body = byId("rows");
  #filter = byId("filter");
  #more = byId("more");

  constructor(control) {
    this.#control = control;
    this.#filter.addEventListener("input", () => {
      this.#limit = PAGE;
      this.#arrange();
    });
    this.#more.addEventListener("click", () => {
      this.#limit += PAGE;
      this.#arrange();
    });
  }

  /** The row above the servers of an upstream, where there are several. */
  #heading(upstream) {
    let heading = this.#headings.get(upstream);
    if (!heading) {
      const name = element("th", { role: "rowheader", scope: "rowgroup", colspan: "9" }, `Upstream ${upstream}`);
      heading = element("tr", { role: "row", class: "upstream" }, name);
      this.#headings.set(upstream, heading);
    }
    return heading;
  }

  show(servers) {
    this.#servers = servers;
    this.#arrange();
  }

  #arrange() {
    const wanted = this.#filter.value.trim().toLowerCase();
    const found = this.#servers.filter((server) => matches(server, wanted));
    const byTrouble = this.#servers.length > STEADY;
    found.sort((one, other) => {
      const isSame = one.upstream === other.upstream;
      return (byTrouble && isSame ? trouble(one) - trouble(other) : 0) || inOrder(one, other);
    });
    const shown = found.slice(0, this.#limit);
    const kept = new Set(shown.map((server) => place(server)));
    for (const [where, row] of this.#rows) {
      if (!kept.has(where)) {
        row.node.remove();
        this.#rows.delete(where);
      }
    }
    const nodes = [];
    let upstream;
    for (const server of shown) {
      if (server.upstream && server.upstream !== upstream) nodes.push(this.#heading(server.upstream));
      upstream = server.upstream;
      let row = this.#rows.get(place(server));
      if (!row) {
        row = new Row(this.#control);
        this.#rows.set(place(server), row);
      }
      const usable = this.#servers.filter((other) => other.upstream === upstream && other.usable).length;
      row.show(server, usable === 1 && server.usable);
      nodes.push(row.node);
    }
    for (const [name, heading] of this.#headings) {
      if (!nodes.includes(heading)) {
        heading.remove();
        this.#headings.delete(name);
      }
    }
    nodes.forEach((node, index) => {
      const there = this.#body.children[index];
      if (there !== node) this.#body.insertBefore(node, there ?? null);
    });
    const left = found.length - shown.length;
    this.#more.hidden = left === 0;
    say(this.#more, `Show ${Math.min(PAGE, left)} more of ${left}`);
    const total = this.#servers.length;
    say(byId("shown"), wanted || left ? `${shown.length} of ${total} shown` : `${total} known`);
  }
}

function matches(server, wanted) {
  if (!wanted) return true;
  return `${server.server} ${server.name ?? ""} ${server.address} ${server.upstream ?? ""} ${STANDINGS[standing(server)].word}`.toLowerCase().includes(wanted);
}

function trouble(server) {
  return TROUBLE.indexOf(standing(server));
}
