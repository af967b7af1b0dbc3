// The table of servers, those that are gone among them. A row is made once for an address and changed in place, so that focus,
// selection and a weight that is being typed survive every state. Of many servers only the first are shown, those with
// trouble before the others.

import { Row } from "./row.js";
import { STANDINGS, standing } from "./standing.js";
import { byId, inOrder, say } from "./words.js";

/** Rows shown at first, and with each further press of the button. */
const PAGE = 50;

/** The most servers that stay in the order of their names whatever happens to them. */
const STEADY = 50;

const TROUBLE = Object.keys(STANDINGS);

export class Servers {
  #rows = new Map();
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

  show(servers) {
    this.#servers = servers;
    this.#arrange();
  }

  #arrange() {
    const wanted = this.#filter.value.trim().toLowerCase();
    const found = this.#servers.filter((server) => matches(server, wanted));
    const byTrouble = this.#servers.length > STEADY;
    found.sort((one, other) => (byTrouble ? trouble(one) - trouble(other) : 0) || inOrder(one, other));
    const shown = found.slice(0, this.#limit);
    const kept = new Set(shown.map((server) => server.address));
    for (const [address, row] of this.#rows) {
      if (!kept.has(address)) {
        row.node.remove();
        this.#rows.delete(address);
      }
    }
    const usable = this.#servers.filter((server) => server.usable).length;
    shown.forEach((server, index) => {
      let row = this.#rows.get(server.address);
      if (!row) {
        row = new Row(this.#control);
        this.#rows.set(server.address, row);
      }
      row.show(server, usable === 1 && server.usable);
      const there = this.#body.children[index];
      if (there !== row.node) this.#body.insertBefore(row.node, there ?? null);
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
  return `${server.server} ${server.name ?? ""} ${server.address} ${STANDINGS[standing(server)].word}`.toLowerCase().includes(wanted);
}

function trouble(server) {
  return TROUBLE.indexOf(standing(server));
}
