// One row of the table: a server, or one that is gone.

import { STANDINGS, isGhost, standing, why } from "./standing.js";
import { amount, counted, duration, element, latency, percent, say } from "./words.js";

// Reasons to ask the probe, and no failures: a slow server is not a dead one.
const SUSPICIONS = ["silent", "idle_closed"];

export class Row {
  #control;
  #server = null;
  #isLast = false;
  #name = element("span");
  #address = element("small");
  #state = element("span", { class: "state" });
  #why = element("small");
  #cells = {};
  #bar = element("span");
  #share = element("small");
  #weight = element("input", { type: "number", min: "1", max: "256", step: "1" });
  #toggle = element("button", { type: "button" });

  constructor(control) {
    this.#control = control;
    const cell = (label, look) => (this.#cells[label] = element("td", { role: "cell", class: look, "data-label": label }));
    const meter = element("span", { class: "meter", "aria-hidden": "true" }, this.#bar);
    this.node = element(
      "tr",
      { role: "row" },
      element("th", { role: "rowheader", scope: "row" }, element("span", {}, this.#name, this.#address)),
      element("td", { role: "cell", class: "wide first-words" }, element("span", {}, this.#state, this.#why)),
      element("td", { role: "cell", "data-label": "Traffic" }, element("span", {}, meter, this.#share)),
      cell("In flight", "number"),
      cell("Latency", "number"),
      cell("Failures", "number"),
      cell("Connections", "number rare"),
      cell("Last probe", "rare"),
      element("td", { role: "cell", class: "controls" }, element("span", {}, this.#weight, this.#toggle)),
    );
    this.#toggle.addEventListener("click", () => this.#switch());
    this.#weight.addEventListener("change", () => this.#weigh());
  }

  show(server, isLast) {
    this.#server = server;
    this.#isLast = isLast;
    const stands = standing(server);
    this.node.dataset.address = server.address;
    this.node.dataset.server = server.server;
    this.node.dataset.state = stands;
    this.node.classList.toggle("ghost", isGhost(stands));
    say(this.#name, server.server);
    say(this.#address, server.address === server.server ? "" : server.address);
    this.#state.dataset.standing = stands;
    say(this.#state, `${STANDINGS[stands].symbol} ${STANDINGS[stands].word}`);
    say(this.#why, why(server));
    if (server.left) this.#gone();
    else this.#figures(stands);
  }

  /** Of one that is gone nothing more is known, and it can be told nothing. */
  #gone() {
    this.#bar.style.width = "0";
    say(this.#share, "–");
    for (const cell of Object.values(this.#cells)) detailed(cell, "–", "");
    this.#toggle.hidden = this.#weight.hidden = true;
  }

  #figures(stands) {
    const server = this.#server;
    this.#bar.style.width = `${100 * server.share}%`;
    this.#bar.parentElement.dataset.standing = stands;
    say(this.#share, `${amount(server.rate)}/s · ${percent(server.share)}`);
    detailed(this.#cells["In flight"], amount(server.in_flight), "");
    detailed(this.#cells.Latency, latency(server.p50_ms), `p99 ${latency(server.p99_ms)}`);
    this.#failures();
    const reuse = server.opened + server.reused > 0 ? server.reused / (server.opened + server.reused) : 0;
    detailed(this.#cells.Connections, `${amount(server.opened)} opened`, `${percent(reuse)} reused`);
    const probe = server.last_probe;
    if (probe) detailed(this.#cells["Last probe"], probe.result, `${latency(probe.took_ms)}, ${duration(probe.ago_ms)} ago`);
    else detailed(this.#cells["Last probe"], "none", "");
    this.#controls();
  }

  #failures() {
    const all = Object.entries(this.#server.failures).sort((one, other) => other[1] - one[1]);
    const classes = all.filter(([name]) => !SUSPICIONS.includes(name));
    const total = classes.reduce((sum, [, count]) => sum + count, 0);
    const [most] = classes;
    detailed(this.#cells.Failures, amount(total), most ? `${amount(most[1])} ${most[0].replaceAll("_", " ")}` : "");
    this.#cells.Failures.title = all.map(([name, count]) => `${counted(count, "time")} ${name.replaceAll("_", " ")}`).join("\n");
  }

  #controls() {
    const { server, draining, weight } = this.#server;
    const may = this.#control.isAllowed;
    this.#toggle.hidden = this.#weight.hidden = false;
    this.#toggle.disabled = this.#weight.disabled = !may;
    const verb = draining ? "Activate" : "Drain";
    say(this.#toggle, verb);
    this.#toggle.setAttribute("aria-label", `${verb} ${server}`);
    this.#weight.setAttribute("aria-label", `Weight of ${server}, 1 to 256`);
    this.#weight.title = "Weight, 1 to 256";
    if (document.activeElement !== this.#weight) this.#weight.value = weight;
  }

  async #switch() {
    const server = this.#server;
    if (server.draining) {
      await this.#control.tell(server, "activate");
    } else if (!this.#isLast || (await this.#control.confirmLast(server))) {
      await this.#control.tell(server, "drain");
    }
  }

  async #weigh() {
    const weight = this.#weight.valueAsNumber;
    const fits = Number.isInteger(weight) && this.#weight.checkValidity();
    if (!fits || !(await this.#control.tell(this.#server, "weight", { weight }))) {
      this.#weight.value = this.#server.weight;
    }
  }
}

/** A cell with something smaller below. */
function detailed(cell, text, below) {
  if (cell.children.length === 0) cell.append(element("span", {}, element("span"), element("small")));
  say(cell.querySelector("span span"), text);
  say(cell.querySelector("small"), below);
}
