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
// page's own address) while it can be seen, unless somebody is at one of its fields.
function keepFresh(part) {
  const pause = Number(part.dataset.refresh) * 1000;
  const from = part.dataset.refreshFrom || location.href;
  const again = () => setTimeout(refresh, pause);
  async function refresh() {
    if (document.hidden || part.contains(document.activeElement)) {
      return again();
    }
    try {
      const answer = await fetch(from, { headers: { Accept: "text/html" } });
      if (answer.redirected) {
        return location.reload();
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(part.id);
      if (answer.ok && fresh) {
        part.replaceChildren(...fresh.childNodes);
        showLocalTimes(part);
      }
      part.classList.toggle("stale", !answer.ok);
    } catch {
      part.classList.add("stale");
    }
    again();
  }
  again();
}

showLocalTimes(document);
document.querySelectorAll("[data-refresh]").forEach(keepFresh);
