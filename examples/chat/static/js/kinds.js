import { element } from "./elements.js";
import { ReconnectingSocket, webSocketUrl } from "./reconnecting-socket.js";
import { followSocket, showStatus } from "./status.js";

const LINES_SHOWN = 30;

// A card: its form, its status, and the log of what went over the wire.
class Card {
  constructor(id) {
    this.root = document.getElementById(id);
    this.status = this.root.querySelector(".status");
    this.form = this.root.querySelector("form");
    this.wire = this.root.querySelector(".wire");
  }

  log(direction, text, detail = "") {
    const line = element("li", { className: direction });
    line.append(element("span", { className: "text" }, text));
    line.append(element("span", { className: "detail" }, detail));
    const arrow = direction === "sent" ? "sent: " : "received: ";
    line.prepend(element("span", { className: "visually-hidden" }, arrow));
    this.wire.append(line);
    while (this.wire.childElementCount > LINES_SHOWN) this.wire.firstChild.remove();
    this.wire.scrollTop = this.wire.scrollHeight;
  }

  onSubmit(callback) {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      callback(new FormData(this.form));
    });
  }
}

const since = (start) => `${(performance.now() - start).toFixed(1)} ms`;

// The three echoes: what comes back belongs to the oldest that was sent.
function echo(id, compose, describe) {
  const card = new Card(id);
  const socket = new ReconnectingSocket(() => webSocketUrl(`/ws/kinds/${id}/`));
  const button = card.form.querySelector("button");
  let sent = [];
  followSocket(card.status, socket);
  button.disabled = true;
  socket.addEventListener("state", () => {
    sent = [];
    button.disabled = socket.state !== "online";
  });
  socket.addEventListener("message", ({ data }) => {
    const { payload, start } = sent.shift();
    const took = since(start);
    card.log("received", describe(data), isSame(payload, data) ? took : `${took}, changed!`);
  });
  card.onSubmit((form) => {
    const payload = compose(form);
    // Written first: the time it takes to show the line is not the connection's.
    card.log("sent", describe(payload));
    sent.push({ payload, start: performance.now() });
    socket.send(payload);
  });
}

const toHex = (bytes) =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join(" ");

const isSame = (a, b) => (typeof a === "string" ? a === b : toHex(a) === toHex(b));

const asText = (form) => form.get("text");
echo("sync-echo", asText, String);
echo("async-echo", asText, String);
echo("binary-echo", () => crypto.getRandomValues(new Uint8Array(16)), toHex);

// The next two hold an HTTP connection each, and a browser has six of them for all of its tabs
// on one site: a tab that nobody looks at lets go of them.

function whileVisible(start, stop) {
  const update = () => (document.hidden ? stop() : start());
  document.addEventListener("visibilitychange", update);
  update();
}

function events() {
  const card = new Card("events");
  const clock = card.root.querySelector(".clock");
  const toggle = card.root.querySelector("[data-action=toggle]");
  let source = null;
  let isWanted = true;

  function start() {
    if (!isWanted || source) return;
    showStatus(card.status, "connecting");
    source = new EventSource("/kinds/events/");
    source.onopen = () => showStatus(card.status, "online");
    // The browser tries again by itself, unless the answer was no stream at all.
    source.onerror = () => {
      const isOver = source.readyState === EventSource.CLOSED;
      showStatus(card.status, isOver ? "refused" : "waiting");
    };
    source.onmessage = ({ data }) => {
      clock.value = new Date(data).toLocaleTimeString();
      card.log("received", `data: ${data}`);
    };
  }

  function stop() {
    source?.close();
    source = null;
    showStatus(card.status, "stopped");
  }

  toggle.addEventListener("click", () => {
    isWanted = !isWanted;
    toggle.textContent = isWanted ? "Stop" : "Start";
    if (isWanted) start();
    else stop();
  });
  // Every second a line: read on request, not aloud.
  card.wire.ariaLive = "off";
  whileVisible(start, stop);
}

function poll() {
  const card = new Card("poll");
  let waiting = null;

  async function start() {
    if (waiting) return;
    const mine = (waiting = new AbortController());
    let delay = 500;
    while (!mine.signal.aborted) {
      try {
        showStatus(card.status, "connecting");
        const begun = performance.now();
        const response = await fetch("/kinds/poll/", { signal: mine.signal, cache: "no-store" });
        if (!response.ok) throw new Error(`HTTP ${response.status}`);
        showStatus(card.status, "online", { text: "Waiting" });
        const { text } = await response.json();
        card.log("received", text, `after ${((performance.now() - begun) / 1000).toFixed(1)} s`);
        delay = 500;
      } catch {
        if (mine.signal.aborted) return;
        showStatus(card.status, "waiting");
        await new Promise((resolve) => setTimeout(resolve, delay * (0.5 + Math.random() / 2)));
        delay = Math.min(delay * 2, 15_000);
      }
    }
  }

  function stop() {
    waiting?.abort();
    waiting = null;
    showStatus(card.status, "stopped");
  }

  card.onSubmit(async (form) => {
    card.log("sent", form.get("text"), "POST");
    try {
      const response = await fetch(card.form.action, { method: "POST", body: form });
      if (!response.ok) card.log("received", await response.text(), `HTTP ${response.status}`);
    } catch {
      card.log("received", "The server did not answer.");
    }
  });
  whileVisible(start, stop);
}

events();
poll();
