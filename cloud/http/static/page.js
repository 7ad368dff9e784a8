// What every page does with time: ages count on, and a number that has grown old says so.
//
// The server says what time it is when it makes a page; from then on this clock only adds what
// passed, so a wrong clock on the visitor's machine makes no number look fresh.

const loaded = Date.now();
let offset = Number(document.documentElement.dataset.now || loaded) - loaded;

export const serverNow = () => Date.now() + offset;
export const setServerNow = (at) => { offset = at - Date.now(); };

// The answer to a form is a page like any other: reloading it gets it again, and sends nothing.
const gotAt = document.documentElement.dataset.gotAt;
if (gotAt) history.replaceState(null, "", gotAt + location.hash);

// The same steps as `words.ago`.
export function ago(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 10) return "now";
  if (s < 60) return `${Math.floor(s / 10) * 10} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

export function put(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

const AS_OF_OLD_MS = 60_000;

function tick() {
  const now = serverNow();
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const age = ago(now - Date.parse(time.dateTime));
    put(time, age === "now" || time.dataset.ago === "bare" ? age : `${age} ago`);
  }
  for (const line of document.querySelectorAll("[data-as-of]")) {
    const old = now - Number(line.dataset.asOf);
    line.classList.toggle("is-old", old > AS_OF_OLD_MS);
    put(line.querySelector("[data-age]"), old > AS_OF_OLD_MS ? `, ${ago(old)} ago` : "");
  }
  for (const part of document.querySelectorAll("[data-stale-at]")) {
    if (now < Number(part.dataset.staleAt)) continue;
    part.removeAttribute("data-stale-at");
    for (const state of ["is-ok", "is-low", "is-empty"]) part.classList.remove(state);
    part.classList.add("is-stale");
    for (const shown of part.querySelectorAll("[data-when-stale]")) shown.hidden = false;
    for (const gone of part.querySelectorAll("[data-when-fresh]")) gone.hidden = true;
  }
}

tick();
setInterval(tick, 1000);
