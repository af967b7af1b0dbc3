// The settings in force: since when, and what of their file could not be taken up, which is an alarm and stands open.

import { byId, clock, counted, element, say } from "./words.js";

export class Settings {
  #drawn = "";
  #since;
  #reread;

  /** `reread` fetches the state with all settings. */
  constructor(reread) {
    this.#reread = reread;
  }

  begin(settings, { in_force_since_ms: since }) {
    this.#since = since;
    byId("settings-rows").replaceChildren(...settings.map(row));
  }

  show({ file, in_force_since_ms: since, problems, refused_since_ms: refused }) {
    const panel = byId("settings");
    const isRefused = refused !== undefined;
    panel.dataset.look = isRefused ? "ended" : "holds";
    const inForce = `Settings in force since ${clock(since)} UTC`;
    say(
      byId("settings-summary"),
      isRefused ? `✕ ${inForce}; refused since ${clock(refused)} UTC, for ${counted(problems.length, "problem")}` : inForce,
    );
    say(
      byId("settings-origin"),
      file
        ? `Set through the environment and through ${file}, which is watched: what is changed there is taken up. What is set through this page holds until a restart.`
        : "Set through the environment; a change takes a restart. What is set through this page holds until then.",
    );
    const drawn = JSON.stringify(problems);
    if (drawn !== this.#drawn) {
      if (isRefused) panel.open = true;
      this.#drawn = drawn;
      byId("settings-problems").replaceChildren(
        ...problems.map((problem) => element("li", {}, `✕ Not taken up, nothing has changed: ${problem}`)),
      );
    }
    if (this.#since !== undefined && since !== this.#since) {
      this.#since = since;
      this.#reread();
    }
  }
}

function row({ variable, value, default: unset, help }) {
  return element(
    "tr",
    { class: unset ? "default" : "set" },
    element("td", {}, element("code", {}, variable)),
    element("td", {}, value),
    element("td", {}, help),
  );
}
