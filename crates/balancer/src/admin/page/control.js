// Drain, activate, weight: what needs the token. It is asked for when it is first needed and kept until the tab closes.

import { say } from "./words.js";

const KEPT = "evenkeel-token";

export class Control {
  #allowed = false;

  constructor() {
    byId("unlock").addEventListener("click", () => this.#ask());
    byId("lock").addEventListener("click", () => {
      sessionStorage.removeItem(KEPT);
      this.#show();
    });
    for (const button of document.querySelectorAll("[data-close]")) {
      button.addEventListener("click", () => button.closest("dialog").close("cancel"));
    }
  }

  /** Whether the balancer takes changes at all. */
  allowed(allowed) {
    this.#allowed = allowed;
    this.#show();
  }

  get isAllowed() {
    return this.#allowed;
  }

  /** Tells an endpoint something; true when it was done. */
  async tell(endpoint, what, body) {
    const token = sessionStorage.getItem(KEPT) ?? (await this.#ask());
    if (!token) return false;
    const answer = await fetch(`/api/endpoints/${encodeURIComponent(endpoint.address)}/${what}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    }).catch(() => null);
    if (answer?.ok) {
      const { holds } = await answer.json();
      this.#say(`${endpoint.name}: done. It holds ${holds}.`);
      return true;
    }
    if (answer?.status === 401) {
      sessionStorage.removeItem(KEPT);
      this.#show();
    }
    const problem = await answer?.json().catch(() => null);
    this.#say(`${endpoint.name}: not done. ${problem?.detail ?? "The balancer did not answer."}`);
    return false;
  }

  /** Asks before the last endpoint is taken away. */
  async confirmLast(endpoint) {
    say(
      byId("last-words"),
      `${endpoint.name} is the only server that takes requests. Without it, clients get 503 until another serves.`,
    );
    return (await opened(byId("last-dialog"), byId("last-form"))) === "done";
  }

  async #ask() {
    const field = byId("token");
    field.value = "";
    const done = await opened(byId("token-dialog"), byId("token-form"));
    const token = field.value.trim();
    field.value = "";
    if (done !== "done" || !token) return null;
    sessionStorage.setItem(KEPT, token);
    this.#show();
    return token;
  }

  #show() {
    const has = sessionStorage.getItem(KEPT) !== null;
    byId("unlock").hidden = !this.#allowed || has;
    byId("lock").hidden = !this.#allowed || !has;
    const words = this.#allowed ? "" : "Read-only: start the balancer with BALANCER_ADMIN_TOKEN to drain, activate or weight.";
    say(byId("access-words"), words);
  }

  #say(text) {
    say(byId("said"), text);
    clearTimeout(this.silence);
    this.silence = setTimeout(() => say(byId("said"), ""), 6000);
  }
}

/** Opens a dialog; how it was closed. */
function opened(dialog, form) {
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      dialog.close("done");
    };
    dialog.returnValue = "cancel";
    dialog.onclose = () => resolve(dialog.returnValue);
    dialog.showModal();
  });
}

function byId(id) {
  return document.getElementById(id);
}
