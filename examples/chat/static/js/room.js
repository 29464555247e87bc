import { MessageList } from "./messages.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import { ReconnectingSocket, webSocketUrl } from "./reconnecting-socket.js";
import { followSocket } from "./status.js";

// Messages are numbered when they are kept and told when they are sent out: a lower number may
// come a little later. Asking for a few again costs nothing; they are recognised.
const OVERLAP = 20;
const NEAR_THE_END = 80; // px

const main = document.getElementById("main");
const scroller = document.getElementById("scroller");
const composer = document.getElementById("composer");
const text = document.getElementById("text");
const jump = document.getElementById("jump");
const empty = document.getElementById("empty");
const pending = document.getElementById("pending");
const { room, person: myId } = main.dataset;

const messages = new MessageList(document.getElementById("messages"), myId);
const people = new People(document.getElementById("people"), myId);
const socket = new ReconnectingSocket(
  () => {
    const after = Math.max(0, messages.lastId - OVERLAP);
    return webSocketUrl(`/ws/${encodeURIComponent(room)}/?after=${after}`);
  },
  { ping: JSON.stringify({ type: "ping" }) },
);
const outbox = new Outbox(pending, (message) => socket.send(JSON.stringify(message)));
followSocket(document.getElementById("status"), socket);

socket.addEventListener("state", () => {
  if (socket.state === "online") outbox.sendAgain();
  else people.clear();
});

socket.addEventListener("message", ({ data }) => {
  const message = JSON.parse(data);
  const wasAtEnd = isAtEnd();
  if (message.type === "message") {
    outbox.confirm(message.nonce);
    if (messages.add(message)) announce(message, wasAtEnd);
  } else if (message.type === "presence") {
    people.update(message);
  } else if (message.type === "notice") {
    messages.addNotice(message.content);
  } else if (message.type === "error") {
    outbox.refuse(message.nonce, message.content);
  }
  // The server says who is here when the history is through: from then on, empty means empty.
  if (message.type === "presence") isHistoryKnown = true;
  showEmpty();
  if (wasAtEnd) scrollToEnd();
});

let isHistoryKnown = false;

function showEmpty() {
  empty.hidden = !isHistoryKnown || !messages.isEmpty || pending.childElementCount > 0;
}

// The composer.

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const content = text.value.trim();
  text.value = "";
  fit();
  text.focus();
  if (!content) return;
  outbox.add(content);
  showEmpty();
  scrollToEnd();
});

text.addEventListener("keydown", (event) => {
  // `isComposing`: Enter that picks a word in an input method is not meant for us.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});
text.addEventListener("input", fit);
// Ready to type; on a touch screen that would open the keyboard over the conversation.
if (matchMedia("(pointer: fine)").matches) text.focus();

function fit() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
}

// Where the reader is, and what came meanwhile.

function isAtEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_THE_END;
}

function scrollToEnd() {
  scroller.scrollTop = scroller.scrollHeight;
  jump.hidden = true;
}

let unread = 0;
const title = document.title;

function announce(message, wasAtEnd) {
  if (!wasAtEnd && !messages.isMine(message)) jump.hidden = false;
  if (!document.hidden) return;
  unread += 1;
  document.title = `(${unread}) ${title}`;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = title;
});
jump.addEventListener("click", () => {
  scrollToEnd();
  text.focus();
});
scroller.addEventListener("scroll", () => {
  if (isAtEnd()) jump.hidden = true;
});
// A keyboard that opens on a phone, a window that changes: what was at the end stays there.
let stuck = true;
scroller.addEventListener("scroll", () => (stuck = isAtEnd()));
new ResizeObserver(() => stuck && scrollToEnd()).observe(scroller);
