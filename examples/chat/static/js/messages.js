// The list of messages: in the order of their ids, in groups by sender, with a line for each day.

import { avatar, element } from "./elements.js";

const SAME_GROUP_WITHIN = 5 * 60_000; // ms

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export class MessageList {
  lastId = 0;
  #list;
  #myId;
  #messages = [];
  #ids = new Set();

  constructor(list, myId) {
    this.#list = list;
    this.#myId = myId;
  }

  get isEmpty() {
    return this.#list.childElementCount === 0;
  }

  isMine(message) {
    return message.sender.id === this.#myId;
  }

  // Returns whether the message is new; after a reconnect the server repeats some.
  add(message) {
    if (this.#ids.has(message.id)) return false;
    this.#ids.add(message.id);
    if (message.id > this.lastId) {
      this.lastId = message.id;
      this.#append(message, this.#messages.at(-1));
      this.#messages.push(message);
    } else {
      // One that overtook another on its way: put it where it belongs.
      this.#messages.push(message);
      this.#messages.sort((a, b) => a.id - b.id);
      this.#list.replaceChildren();
      this.#messages.forEach((each, index) => this.#append(each, this.#messages[index - 1]));
    }
    return true;
  }

  addNotice(text) {
    this.#list.append(element("li", { className: "notice" }, text));
  }

  #append(message, previous) {
    const sent = new Date(message.sent_at);
    const before = previous && new Date(previous.sent_at);
    const isSameDay = before?.toDateString() === sent.toDateString();
    if (!isSameDay) this.#list.append(element("li", { className: "day" }, dayName(sent)));
    const continues =
      isSameDay && previous.sender.id === message.sender.id && sent - before < SAME_GROUP_WITHIN;
    this.#list.append(this.#item(message, sent, continues));
  }

  #item(message, sent, continues) {
    const isMine = this.isMine(message);
    const item = element("li", { className: "message" });
    item.classList.toggle("mine", isMine);
    item.classList.toggle("continues", continues);
    const time = element("time", { dateTime: message.sent_at, title: full.format(sent) });
    time.textContent = clock.format(sent);
    const head = element("div", { className: "head" });
    head.append(element("span", { className: "sender" }, message.sender.name));
    if (message.sender.is_guest) head.append(element("span", { className: "tag" }, "guest"));
    head.append(time);
    item.append(avatar(message.sender), head, element("p", { className: "bubble" }, message.content));
    return item;
  }
}

function dayName(date) {
  const today = new Date();
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return "Today";
  if (date.toDateString() === yesterday.toDateString()) return "Yesterday";
  return day.format(date);
}
