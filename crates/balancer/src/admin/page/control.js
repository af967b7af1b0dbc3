// Drain, activate, change weights: what needs the token. It is asked for when it is first needed, tried before it is taken,
// and kept until the tab closes.

import { byId, say } from "./words.js";

const KEPT = "evenkeel-token";

export class Control {
  #allowed = false;
  #never = false;

  constructor() {
    byId("unlock").addEventListener("click", () => this.#ask());
    byId("lock").addEventListener("click", () => {
      sessionStorage.removeItem(KEPT);
      this.#show();
    });
    for (const button of document.querySelectorAll("[data-close]")) {
      button.addEventListener("click", () => button.closest("dialog").close());
    }
  }

  /** Whether the balancer takes changes now, and whether it never does. */
  allowed(allowed, never) {
    this.#allowed = allowed;
    this.#never = never;
    this.#show();
  }

  get isAllowed() {
    return this.#allowed;
  }

  /** Tells an endpoint something; true when it was done. */
  async tell(endpoint, what, body) {
    const token = sessionStorage.getItem(KEPT) ?? (await this.#ask());
    if (!token) return false;
    const which = endpoint.upstream ? `?upstream=${encodeURIComponent(endpoint.upstream)}` : "";
    const answer = await fetch(`/api/endpoints/${encodeURIComponent(endpoint.address)}/${what}${which}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    }).catch(() => null);
    if (answer?.ok) {
      const { holds } = await answer.json();
      this.#say(`${endpoint.server}: done. It holds ${holds}.`);
      return true;
    }
    if (answer?.status === 401) {
      sessionStorage.removeItem(KEPT);
      this.#show();
    }
    const problem = await answer?.json().catch(() => null);
    this.#say(`${endpoint.server}: not done. ${problem?.detail ?? "The balancer did not answer."}`);
    return false;
  }

  /** Asks before the last endpoint is taken away. */
  async confirmLast(endpoint) {
    say(
      byId("last-words"),
      `${endpoint.server} is the only server that takes requests. Without it, clients get 503 until another serves.`,
    );
    return (await opened(byId("last-dialog"), byId("last-form"), async () => true)) === true;
  }

  /** Asks until the token is the right one, or the person has had enough. */
  async #ask() {
    const field = byId("token");
    const wrong = byId("token-wrong");
    field.value = "";
    say(wrong, "");
    return opened(byId("token-dialog"), byId("token-form"), async () => {
      const token = field.value.trim();
      const refusal = await refused(token);
      say(wrong, refusal ?? "");
      if (refusal !== null) {
        field.select();
        return null;
      }
      field.value = "";
      sessionStorage.setItem(KEPT, token);
      this.#show();
      return token;
    });
  }

  #show() {
    const has = sessionStorage.getItem(KEPT) !== null;
    byId("unlock").hidden = !this.#allowed || has;
    byId("lock").hidden = !this.#allowed || !has;
    const words = this.#never ? "Read-only: without BALANCER_ADMIN_TOKEN nothing can be drained." : "";
    say(byId("access-words"), words);
  }

  #say(text) {
    say(byId("said"), text);
    clearTimeout(this.silence);
    this.silence = setTimeout(() => say(byId("said"), ""), 6000);
  }
}

/** Why the balancer refuses a token; null where it takes it. */
async function refused(token) {
  const answer = await fetch("/api/token", { method: "POST", headers: { Authorization: `Bearer ${token}` } }).catch(() => null);
  if (answer?.ok) return null;
  if (answer?.status !== 401) return "The balancer did not answer. Try again.";
  return "This is not the token. Compose and the manager take the one in the file secrets/admin-token.";
}

/** Opens a dialog; what came of it, or null when it was closed. It stays open while `done` answers null. */
function opened(dialog, form, done) {
  return new Promise((resolve) => {
    let result = null;
    form.onsubmit = async (event) => {
      event.preventDefault();
      result = await done();
      if (result !== null) dialog.close();
    };
    dialog.onclose = () => resolve(result);
    dialog.showModal();
  });
}
