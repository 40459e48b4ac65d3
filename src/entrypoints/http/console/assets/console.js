// What pages do by themselves; without it they do the rest all the same.
"use strict";

// A moment in the time of whoever looks, beside that of the worker.
function showLocalTimes(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.title = `${time.dateTime}\n${at.toLocaleString()} here`;
    }
  }
}

// A part with `data-refresh="5"` is asked for again every 5 s (at `data-refresh-from`, else at the
// page's own address) while it can be seen, unless somebody is at one of its fields; once it comes
// without that, it is asked for no more.
function keepFresh(part) {
  const pause = Number(part.dataset.refresh) * 1000;
  const from = part.dataset.refreshFrom || location.href;
  const again = () => setTimeout(refresh, pause);
  const isInUse = () => part.contains(document.activeElement);
  async function refresh() {
    if (document.hidden || isInUse()) {
      return again();
    }
    try {
      const answer = await fetch(from, { headers: { Accept: "text/html", "X-Refresh": "1" } });
      if (answer.redirected) {
        return location.reload();
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(part.id);
      // Asked again: somebody may have come there meanwhile, and it must not vanish under their hands.
      if (answer.ok && fresh && !isInUse()) {
        part.replaceChildren(...fresh.childNodes);
        showLocalTimes(part);
        if (!fresh.dataset.refresh) {
          return;
        }
      }
      part.classList.toggle("stale", !answer.ok);
    } catch {
      part.classList.add("stale");
    }
    again();
  }
  again();
}

// Lines of events, as they come from `data-stream`; the newest stands first.
const MOST_LINES = 200;

function showEvents(list) {
  const state = document.getElementById("events-state");
  const none = document.getElementById("events-none");
  const pause = document.getElementById("events-pause");
  let waiting = [];

  function say(text, tone) {
    state.hidden = false;
    state.textContent = text;
    state.className = `badge ${tone}`;
  }

  function add(lines) {
    none.hidden = true;
    lines.forEach((line) => list.prepend(line));
    while (list.children.length > MOST_LINES) {
      list.lastElementChild.remove();
    }
  }

  function isPaused() {
    return pause.getAttribute("aria-pressed") === "true";
  }

  function label() {
    pause.textContent = isPaused() ? `Go on (${waiting.length} waiting)` : "Pause";
  }

  pause.hidden = false;
  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!isPaused()));
    add(waiting);
    waiting = [];
    label();
  });

  const stream = new EventSource(list.dataset.stream);
  stream.addEventListener("connecting", () => say("Connecting", ""));
  stream.addEventListener("listening", () => say("Live", "good"));
  stream.addEventListener("trouble", (event) => {
    say(`No events: ${JSON.parse(event.data)}`, "bad");
  });
  stream.addEventListener("events", (event) => {
    const page = new DOMParser().parseFromString(JSON.parse(event.data), "text/html");
    showLocalTimes(page);
    const lines = [...page.body.children];
    if (isPaused()) {
      waiting = waiting.concat(lines).slice(-MOST_LINES);
      label();
    } else {
      add(lines);
    }
  });
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) {
      say("Ended: load the page again", "bad");
    } else {
      say("Connection lost, trying again", "bad");
    }
  });
}

showLocalTimes(document);
document.querySelectorAll("[data-stream]").forEach(showEvents);
document.querySelectorAll("[data-refresh]").forEach(keepFresh);
