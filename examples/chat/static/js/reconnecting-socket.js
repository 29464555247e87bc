// A WebSocket that comes back.
//
// States: "connecting"; "online"; "waiting" (lost, the next attempt is at `retryAt`);
// "offline" (lost, and the browser says that there is no network); "refused" (the server closed
// with a code that says "do not come back"; `reason` has its words).

const FIRST_DELAY = 500; // ms
const LONGEST_DELAY = 15_000; // ms
const OFFLINE_DELAY = 30_000; // ms; a server on this machine is reachable without a network
const STEADY_AFTER = 5_000; // ms online until a loss counts as the first one again
const QUIET_BEFORE_PING = 25_000; // ms without a message from the server
const PONG_WITHIN = 10_000; // ms
const CONNECT_WITHIN = 10_000; // ms

// 4400 to 4499 mirror HTTP's 4xx: the same request would be refused again.
const isFinal = (code) => code >= 4400 && code < 4500;

export class ReconnectingSocket extends EventTarget {
  state = "connecting";
  retryAt = 0;
  reason = "";
  attempts = 0;
  #url;
  #ping;
  #socket = null;
  #timers = {};

  // `url` is a function, asked before each attempt. `ping` is the text that the server answers
  // with anything at all; without one, a connection that died silently is noticed by TCP alone.
  constructor(url, { ping = null } = {}) {
    super();
    this.#url = url;
    this.#ping = ping;
    addEventListener("online", () => this.retry());
    addEventListener("offline", () => this.#check());
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      if (this.state === "online") this.#check();
      else this.retry();
    });
    // A page that the browser keeps for its Back button holds no connection.
    addEventListener("pagehide", () => this.#drop());
    addEventListener("pageshow", (event) => event.persisted && this.#connect());
    this.#connect();
  }

  // Returns false, and sends nothing, while there is no connection.
  send(data) {
    if (this.state !== "online") return false;
    this.#socket.send(data);
    return true;
  }

  // Try now instead of at `retryAt`.
  retry() {
    if (this.state === "waiting" || this.state === "offline") this.#connect();
  }

  #connect() {
    this.#drop();
    this.#become("connecting");
    const socket = new WebSocket(this.#url());
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    const isCurrent = () => this.#socket === socket;
    socket.onopen = () => isCurrent() && this.#opened();
    socket.onmessage = (event) => {
      if (!isCurrent()) return;
      this.#heard();
      this.dispatchEvent(new MessageEvent("message", { data: event.data }));
    };
    socket.onclose = (event) => isCurrent() && this.#lost(event.code, event.reason);
    this.#later("connect", CONNECT_WITHIN, () => this.#lost(1006, ""));
  }

  #opened() {
    clearTimeout(this.#timers.connect);
    this.#later("steady", STEADY_AFTER, () => (this.attempts = 0));
    this.#become("online");
    this.#heard();
  }

  #lost(code, reason) {
    this.#drop();
    this.reason = reason;
    if (isFinal(code)) {
      this.#become("refused");
      return;
    }
    const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.attempts);
    this.attempts += 1;
    // Jitter: the clients of a server that went away shall not all come back in one moment.
    const delay = navigator.onLine ? ceiling / 2 + (Math.random() * ceiling) / 2 : OFFLINE_DELAY;
    this.retryAt = Date.now() + delay;
    this.#later("retry", delay, () => this.#connect());
    this.#become(navigator.onLine ? "waiting" : "offline");
  }

  #heard() {
    clearTimeout(this.#timers.pong);
    if (this.#ping !== null) this.#later("quiet", QUIET_BEFORE_PING, () => this.#check());
  }

  // A half-open connection looks open: ask for a sign of life.
  #check() {
    if (this.#ping === null || !this.send(this.#ping)) return;
    this.#later("pong", PONG_WITHIN, () => this.#lost(1006, ""));
  }

  #drop() {
    Object.values(this.#timers).forEach(clearTimeout);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #later(name, delay, callback) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(callback, delay);
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

export function webSocketUrl(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
