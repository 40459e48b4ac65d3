// Refreshes open pages and shows live events. Every page but Events works without it.
"use strict";

// Adds the local time to the tooltip of each timestamp.
function showLocalTimes(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.title = `${time.dateTime}\n${at.toLocaleString()} (local time)`;
    }
  }
}

// An element with `data-refresh="5"` is requested again every 5 s (from `data-refresh-from`, or else from
// the page's URL) while the page is visible and no field of it has the focus. Refreshing ends when the
// response has no `data-refresh`.
function keepFresh(part) {
  const interval = Number(part.dataset.refresh) * 1000;
  const from = part.dataset.refreshFrom || location.href;
  const schedule = () => setTimeout(refresh, interval);
  const hasFocus = () => part.contains(document.activeElement);
  async function refresh() {
    if (document.hidden || hasFocus()) {
      return schedule();
    }
    try {
      const response = await fetch(from, { headers: { Accept: "text/html", "X-Refresh": "1" } });
      if (response.redirected) {
        return location.reload();
      }
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.getElementById(part.id);
      // A field may have got the focus during the request.
      if (response.ok && fresh && !hasFocus()) {
        part.replaceChildren(...fresh.childNodes);
        showLocalTimes(part);
        if (!fresh.dataset.refresh) {
          return;
        }
      }
      part.classList.toggle("stale", !response.ok);
    } catch {
      part.classList.add("stale");
    }
    schedule();
  }
  schedule();
}

// Lines of events from `data-stream`, newest first.
const MAX_LINES = 200;

function showEvents(list) {
  const state = document.getElementById("events-state");
  const empty = document.getElementById("events-none");
  const pause = document.getElementById("events-pause");
  let pending = [];

  function showState(text, tone) {
    state.hidden = false;
    state.textContent = text;
    state.className = `badge ${tone}`;
  }

  function add(lines) {
    empty.hidden = true;
    lines.forEach((line) => list.prepend(line));
    while (list.children.length > MAX_LINES) {
      list.lastElementChild.remove();
    }
  }

  function isPaused() {
    return pause.getAttribute("aria-pressed") === "true";
  }

  function updateButton() {
    pause.textContent = isPaused() ? `Resume (${pending.length} new)` : "Pause";
  }

  pause.hidden = false;
  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!isPaused()));
    add(pending);
    pending = [];
    updateButton();
  });

  const stream = new EventSource(list.dataset.stream);
  stream.addEventListener("connecting", () => showState("Connecting", ""));
  stream.addEventListener("listening", () => showState("Live", "good"));
  stream.addEventListener("disconnected", (event) => {
    showState(`Disconnected: ${JSON.parse(event.data)}`, "bad");
  });
  stream.addEventListener("events", (event) => {
    const page = new DOMParser().parseFromString(JSON.parse(event.data), "text/html");
    showLocalTimes(page);
    const lines = [...page.body.children];
    if (isPaused()) {
      pending = pending.concat(lines).slice(-MAX_LINES);
      updateButton();
    } else {
      add(lines);
    }
  });
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) {
      showState("Disconnected: reload the page", "bad");
    } else {
      showState("Reconnecting", "bad");
    }
  });
}

showLocalTimes(document);
document.querySelectorAll("[data-stream]").forEach(showEvents);
document.querySelectorAll("[data-refresh]").forEach(keepFresh);
