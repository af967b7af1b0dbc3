// The table of servers. A row is made once for an address and changed in place, so that focus, selection and a weight that
// is being typed survive every state. Of many servers only the first are shown, those with trouble before the others.

import { STANDINGS, amount, duration, element, latency, natural, percent, say, standing, why } from "./words.js";

/** Rows shown at first, and with each further press of the button. */
const PAGE = 50;

/** The most servers that stay in the order of their addresses whatever happens to them. */
const STEADY = 50;

const TROUBLE = Object.keys(STANDINGS);

// Reasons to ask the probe, and no failures: a slow server is not a dead one.
const SUSPICIONS = ["silent", "idle_closed"];

export class Servers {
  #rows = new Map();
  #endpoints = [];
  #limit = PAGE;
  #control;
  #body = document.getElementById("rows");
  #filter = document.getElementById("filter");
  #more = document.getElementById("more");

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

  show(endpoints) {
    this.#endpoints = endpoints;
    this.#arrange();
  }

  #arrange() {
    const wanted = this.#filter.value.trim().toLowerCase();
    const found = this.#endpoints.filter((endpoint) => matches(endpoint, wanted));
    const byTrouble = this.#endpoints.length > STEADY;
    found.sort((one, other) => (byTrouble ? trouble(one) - trouble(other) : 0) || natural(one.address, other.address));
    const shown = found.slice(0, this.#limit);
    const kept = new Set(shown.map((endpoint) => endpoint.address));
    for (const [address, row] of this.#rows) {
      if (!kept.has(address)) {
        row.node.remove();
        this.#rows.delete(address);
      }
    }
    const usable = this.#endpoints.filter((endpoint) => endpoint.usable).length;
    shown.forEach((endpoint, index) => {
      let row = this.#rows.get(endpoint.address);
      if (!row) {
        row = new Row(this.#control);
        this.#rows.set(endpoint.address, row);
      }
      row.show(endpoint, usable === 1 && endpoint.usable);
      const there = this.#body.children[index];
      if (there !== row.node) this.#body.insertBefore(row.node, there ?? null);
    });
    const left = found.length - shown.length;
    this.#more.hidden = left === 0;
    say(this.#more, `Show ${Math.min(PAGE, left)} more of ${left}`);
    const total = this.#endpoints.length;
    say(document.getElementById("shown"), wanted || left ? `${shown.length} of ${total} shown` : `${total} known`);
  }
}

function matches(endpoint, wanted) {
  if (!wanted) return true;
  return `${endpoint.name} ${endpoint.address} ${STANDINGS[standing(endpoint)].word}`.toLowerCase().includes(wanted);
}

function trouble(endpoint) {
  return TROUBLE.indexOf(standing(endpoint));
}

/** One server. */
class Row {
  #control;
  #endpoint = null;
  #isLast = false;
  #name = element("span");
  #below = element("small");
  #state = element("span", { class: "state" });
  #why = element("small");
  #cells = {};
  #bar = element("span");
  #share = element("small");
  #weight = element("input", { type: "number", min: "1", max: "256", step: "1" });
  #toggle = element("button", { type: "button" });

  constructor(control) {
    this.#control = control;
    const number = (label) => (this.#cells[label] = element("td", { role: "cell", class: "number", "data-label": label }));
    const meter = element("span", { class: "meter", "aria-hidden": "true" }, this.#bar);
    this.node = element(
      "tr",
      { role: "row" },
      element("th", { role: "rowheader", scope: "row" }, element("span", {}, this.#name, this.#below)),
      element("td", { role: "cell", class: "wide first-words" }, element("span", {}, this.#state, this.#why)),
      number("In flight"),
      number("Rate"),
      element("td", { role: "cell", "data-label": "Share" }, meter, this.#share),
      number("p50"),
      number("p99"),
      number("Failures"),
      number("Connections"),
      (this.#cells.probe = element("td", { role: "cell", class: "wide", "data-label": "Last probe" })),
      element("td", { role: "cell", "data-label": "Weight" }, this.#weight),
      element("td", { role: "cell" }, this.#toggle),
    );
    this.#toggle.addEventListener("click", () => this.#switch());
    this.#weight.addEventListener("change", () => this.#weigh());
  }

  show(endpoint, isLast) {
    this.#endpoint = endpoint;
    this.#isLast = isLast;
    const stands = standing(endpoint);
    this.node.dataset.address = endpoint.address;
    this.node.dataset.state = stands;
    say(this.#name, endpoint.address);
    say(this.#below, named(endpoint));
    this.#state.dataset.standing = stands;
    say(this.#state, `${STANDINGS[stands].symbol} ${STANDINGS[stands].word}`);
    say(this.#why, why(endpoint));
    say(this.#cells["In flight"], amount(endpoint.in_flight));
    say(this.#cells.Rate, `${amount(endpoint.rate)}/s`);
    this.#bar.style.width = `${100 * endpoint.share}%`;
    this.#bar.parentElement.dataset.standing = stands;
    say(this.#share, percent(endpoint.share));
    say(this.#cells.p50, latency(endpoint.p50_ms));
    say(this.#cells.p99, latency(endpoint.p99_ms));
    this.#failures();
    const reuse = endpoint.opened + endpoint.reused > 0 ? endpoint.reused / (endpoint.opened + endpoint.reused) : 0;
    detailed(this.#cells.Connections, `${amount(endpoint.opened)} opened`, `${percent(reuse)} reused`);
    const probe = endpoint.last_probe;
    if (probe) detailed(this.#cells.probe, probe.result, `${latency(probe.took_ms)}, ${duration(probe.ago_ms)} ago`);
    else detailed(this.#cells.probe, "none", "");
    this.#controls();
  }

  #failures() {
    const all = Object.entries(this.#endpoint.failures).sort((one, other) => other[1] - one[1]);
    const classes = all.filter(([name]) => !SUSPICIONS.includes(name));
    const total = classes.reduce((sum, [, count]) => sum + count, 0);
    const most = classes.length > 0 ? `mostly ${classes[0][0].replaceAll("_", " ")}` : "";
    detailed(this.#cells.Failures, amount(total), most);
    this.#cells.Failures.title = all.map(([name, count]) => `${name.replaceAll("_", " ")}: ${count}`).join("\n");
  }

  #controls() {
    const { address, draining, weight } = this.#endpoint;
    const may = this.#control.isAllowed;
    this.#toggle.disabled = !may;
    this.#weight.disabled = !may;
    const verb = draining ? "Activate" : "Drain";
    say(this.#toggle, verb);
    this.#toggle.setAttribute("aria-label", `${verb} ${address}`);
    this.#weight.setAttribute("aria-label", `Weight of ${address}, 1 to 256`);
    if (document.activeElement !== this.#weight) this.#weight.value = weight;
  }

  async #switch() {
    const endpoint = this.#endpoint;
    if (endpoint.draining) {
      await this.#control.tell(endpoint, "activate");
    } else if (!this.#isLast || (await this.#control.confirmLast(endpoint))) {
      await this.#control.tell(endpoint, "drain");
    }
  }

  async #weigh() {
    const weight = this.#weight.valueAsNumber;
    const fits = Number.isInteger(weight) && this.#weight.checkValidity();
    if (!fits || !(await this.#control.tell(this.#endpoint, "weight", { weight }))) {
      this.#weight.value = this.#endpoint.weight;
    }
  }
}

/** What the name says beyond the address. */
function named(endpoint) {
  const name = endpoint.name.split(" ")[0];
  return name === endpoint.address ? "" : name;
}

/** A cell with something smaller below. */
function detailed(cell, text, below) {
  if (cell.children.length === 0) cell.append(element("span", {}, element("span"), element("small")));
  say(cell.querySelector("span span"), text);
  say(cell.querySelector("small"), below);
}
