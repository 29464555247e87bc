// The connection's state in words, for eyes and for screen readers.

const TEXT = {
  connecting: "Connecting…",
  online: "Online",
  waiting: "Reconnecting",
  offline: "Offline",
  refused: "Refused",
  stopped: "Stopped",
};

// `element` is a `.status` from the templates.
export function showStatus(element, state, { text = TEXT[state], detail = "", onRetry = null } = {}) {
  element.dataset.state = state;
  const spoken = element.querySelector(".status-text");
  // Set only when it changed: a live region speaks at each change.
  if (spoken.textContent !== text) spoken.textContent = text;
  element.querySelector(".status-detail").textContent = detail;
  const button = element.querySelector("button");
  button.hidden = onRetry === null;
  button.onclick = onRetry;
}

// Keep `element` in step with a ReconnectingSocket, with a countdown while it waits.
export function followSocket(element, socket) {
  let ticking = null;
  const show = () => {
    const { state } = socket;
    const onRetry = state === "waiting" || state === "offline" ? () => socket.retry() : null;
    const options = { onRetry };
    if (state === "waiting") {
      const seconds = Math.max(1, Math.ceil((socket.retryAt - Date.now()) / 1000));
      options.detail = `in ${seconds} s`;
    } else if (state === "connecting" && socket.attempts > 0) {
      options.text = TEXT.waiting;
      options.detail = "…";
    } else if (state === "refused") {
      options.detail = socket.reason;
    }
    showStatus(element, state, options);
  };
  socket.addEventListener("state", () => {
    clearInterval(ticking);
    ticking = socket.state === "waiting" ? setInterval(show, 250) : null;
    show();
  });
  show();
}
