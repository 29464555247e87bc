// Who is in the room. Each connection tells its name; a person with two windows counts once.

import { avatar, element } from "./elements.js";

const AVATARS_SHOWN = 4;

export class People {
  #root;
  #myId;
  #connections = new Map();

  constructor(root, myId) {
    this.#root = root;
    this.#myId = myId;
    // Like a menu: Escape and a click elsewhere close it.
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !root.open) return;
      root.open = false;
      root.querySelector("summary").focus();
    });
    addEventListener("click", (event) => {
      if (!root.contains(event.target)) root.open = false;
    });
  }

  update({ event, connection, person }) {
    if (event === "left") this.#connections.delete(connection);
    else this.#connections.set(connection, person);
    this.#show();
  }

  // After a loss nobody is known to be here, until they say so again.
  clear() {
    this.#connections.clear();
    this.#show();
  }

  #show() {
    const people = new Map();
    for (const person of this.#connections.values()) people.set(person.id, person);
    const sorted = [...people.values()].sort((a, b) => a.name.localeCompare(b.name));
    this.#root.querySelector(".avatars").replaceChildren(...sorted.slice(0, AVATARS_SHOWN).map(avatar));
    this.#root.querySelector(".count").textContent = sorted.length ? `${sorted.length} here` : "…";
    this.#root.querySelector("ul").replaceChildren(...sorted.map((person) => this.#item(person)));
  }

  #item(person) {
    const item = element("li", {}, avatar(person), element("span", { className: "name" }, person.name));
    if (person.is_guest) item.append(element("span", { className: "tag" }, "guest"));
    if (person.id === this.#myId) item.append(element("span", { className: "tag" }, "you"));
    return item;
  }
}
