// What was written here and not yet confirmed by the server. It is sent again after each
// reconnect, under the nonce that it had the first time, so that the server keeps it once.

import { element } from "./elements.js";

export class Outbox {
  #list;
  #send;
  #waiting = new Map();

  // `send` takes an object and returns whether there was a connection to send it on.
  constructor(list, send) {
    this.#list = list;
    this.#send = send;
  }

  add(content) {
    const nonce = uuid();
    const note = element("span", { className: "delivery" });
    const bubble = element("p", { className: "bubble" }, content);
    const item = element("li", { className: "message mine pending" }, bubble, note);
    this.#list.append(item);
    const entry = { content, item, note };
    this.#waiting.set(nonce, entry);
    this.#post(nonce, entry);
  }

  sendAgain() {
    for (const [nonce, entry] of this.#waiting) this.#post(nonce, entry);
  }

  confirm(nonce) {
    this.#waiting.get(nonce)?.item.remove();
    this.#waiting.delete(nonce);
  }

  // The server will not take it; the words stay to be copied.
  refuse(nonce, why) {
    const entry = this.#waiting.get(nonce);
    if (!entry) return;
    this.#waiting.delete(nonce);
    entry.item.classList.add("failed");
    entry.note.textContent = `Not sent. ${why}`;
  }

  #post(nonce, entry) {
    const isSent = this.#send({ type: "message", content: entry.content, nonce });
    entry.note.textContent = isSent ? "Sending…" : "Will be sent when you are back online";
  }
}

// crypto.randomUUID exists on https and localhost only.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
