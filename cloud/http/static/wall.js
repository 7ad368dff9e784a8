// <bin-wall>: takes over the wall that the server has drawn, and keeps it true.
//
// The server's HTML is complete without this file. With it, one stream of events changes only
// the tiles that changed. What this file adds by itself is honesty: when nothing is heard from the
// server the page says since when, and each tile turns stale at the time the server named for it.
//
// Every tile is in the document. That holds 60 frames a second for some two thousand bins; a wall
// of ten thousand needs a window over the list, which would live in #order.

import { ago, put, serverNow, setServerNow } from "./page.js";

const SILENT_MS_MAX = 6_000; // three beats of the server
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 10_000;
const SAY_MS_MIN = 10_000;
const WORST_FIRST = ["empty", "low", "stale", "ok"];
const STATES = WORST_FIRST.map((status) => `is-${status}`);
const NUMBER = new Intl.NumberFormat("en-US");
// Of the page, wherever the reader is: what is written on it and what is behind it are one zone.
const timeZone = document.querySelector("bin-wall").dataset.zone;
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long", timeZone });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "long", timeZone });
const count = (number) => NUMBER.format(number);
const clock = (at) => CLOCK.format(at);

class BinWall extends HTMLElement {
  #tiles = new Map(); // code -> what the server said, with the element that shows it
  #sites = new Map(); // id -> name
  #source = null;
  #retryMs = RETRY_MS_MIN;
  #retry = 0;
  #heardAt = 0; // by this machine's steady clock
  #awaySince = null;
  #behindMs = null;
  #needs = null;
  #saidAt = 0;
  #unordered = new Set(); // lists to put in order when nobody is in them

  connectedCallback() {
    this.#put("live", "Connecting…");
    for (const row of this.querySelectorAll("li[data-code]")) this.#tiles.set(row.dataset.code, { row });
    this.#watchFilters();
    this.#watchKeys();
    document.addEventListener("visibilitychange", () => this.#visible());
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", (shown) => shown.persisted && this.#open());
    setInterval(() => this.#tick(), 1000);
    this.#rove();
    this.#visible();
  }

  // ---------------------------------------------------------------- the stream

  #visible() {
    // A browser opens six streams to a server and no more: a hidden wall must not hold one.
    if (document.hidden) this.#close();
    else this.#open();
  }

  #open() {
    if (this.#source) return;
    clearTimeout(this.#retry);
    this.#heardAt = performance.now();
    const source = new EventSource("/live");
    const on = (name, act) => source.addEventListener(name, (event) => {
      const said = JSON.parse(event.data);
      if (said.at) setServerNow(said.at);
      this.#heardAt = performance.now();
      act(said);
    });
    on("wall", (said) => this.#live(() => this.#takeWall(said)));
    on("change", (said) => this.#live(() => this.#takeChange(said)));
    on("beat", () => this.#awaySince === null && this.#live(() => {}));
    on("away", () => this.#away("the database does not answer"));
    on("end", () => this.#lost());
    source.onerror = () => this.#lost();
    this.#source = source;
  }

  #close() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  #lost() {
    this.#close();
    this.#away("the server does not answer");
    this.#retry = setTimeout(() => this.#tryAgain(), this.#retryMs * (0.5 + Math.random() / 2));
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  async #tryAgain() {
    // A stream that is refused does not say why: a session that ended is told from a server that is gone.
    const answer = await fetch("/api/bins/-", { headers: { accept: "application/json" } }).catch(() => null);
    if (answer?.status === 401) this.#signedOut();
    else if (!document.hidden) this.#open();
  }

  #signedOut() {
    this.#away("the session has ended");
    const link = document.createElement("a");
    link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Sign in";
    this.#part("live").append(" · ", link);
  }

  #live(take) {
    const wasAway = this.#awaySince !== null;
    this.#awaySince = null;
    this.#retryMs = RETRY_MS_MIN;
    take();
    this.classList.remove("not-live");
    this.#part("as-of")?.setAttribute("hidden", "");
    const line = this.#part("live");
    line.classList.remove("is-away");
    line.classList.add("is-live");
    const behind = this.#behindMs === null ? "" : ` · ${(this.#behindMs / 1000).toFixed(1)} s behind`;
    put(line, `Live${behind}`);
    if (wasAway) this.#say("Live again.", true);
  }

  #away(because) {
    const first = this.#awaySince === null;
    this.#awaySince ??= serverNow();
    this.classList.add("not-live");
    const line = this.#part("live");
    line.classList.remove("is-live");
    line.classList.add("is-away");
    put(line, `Not live since ${clock(this.#awaySince)}: ${because}, trying again`);
    this.#put("as-of", `Numbers and tasks as of ${clock(this.#awaySince)}`);
    this.#part("as-of")?.removeAttribute("hidden");
    if (first) this.#say(`Not live: ${because}.`, true);
  }

  // ---------------------------------------------------------------- what it brings

  #takeWall(said) {
    const codes = new Set(said.tiles.map((tile) => tile.code));
    if (!this.#part("groups") || said.groups.some((group) => !this.#list(group.site_id))) {
      location.reload(); // a new site, or the first bin ever: the server draws the frame for it
      return;
    }
    for (const [code, { row }] of this.#tiles) {
      if (codes.has(code)) continue;
      row.remove();
      this.#tiles.delete(code);
    }
    this.#takeParts(said);
    for (const tile of said.tiles) this.#takeTile(tile);
    this.#filter();
  }

  #takeChange(said) {
    this.#behindMs = said.behind_ms ?? this.#behindMs;
    this.#takeParts(said);
    // Most changes are of a number: what is shown and in which place is worked out only if it moved.
    const moved = said.tiles.map((tile) => this.#takeTile(tile));
    if (moved.includes(true)) this.#filter();
  }

  #takeParts({ groups, figures, counts, needs }) {
    groups?.forEach((group) => this.#showGroup(group));
    figures?.forEach((figure) => this.#showFigure(figure));
    if (counts) {
      for (const chip of this.querySelectorAll(".chip[data-filter]")) {
        put(chip.querySelector("[data-part=count]"), count(counts[chip.dataset.filter]));
      }
    }
    if (needs) this.#showNeeds(needs);
  }

  // Whether another tile than before is shown.
  #takeTile(tile) {
    const isNew = !this.#tiles.has(tile.code);
    const known = this.#tiles.get(tile.code) ?? { row: this.#newRow(tile) };
    const moved = isNew || (known.tile && known.tile.status !== tile.status);
    known.tile = tile;
    this.#tiles.set(tile.code, known);
    this.#showTile(known);
    if (moved) this.#unordered.add(known.row.parentElement);
    return isNew || known.row.hidden === this.#isWanted(tile);
  }

  #isWanted(tile) {
    return matches(tile, this.#sites.get(tile.site_id) ?? "", this.dataset.state, this.dataset.query);
  }

  // ---------------------------------------------------------------- what is shown

  #showTile({ row, tile }) {
    const link = row.firstElementChild;
    const find = (name) => link.querySelector(`.tile-${name}`);
    const stale = isStale(tile);
    const status = stale ? "stale" : tile.status;
    link.classList.remove(...STATES);
    link.classList.add("tile", `is-${status}`);
    link.querySelector(".tile-mark use").setAttribute("href", `#m-${status}`);
    put(find("part"), tile.part);
    put(find("place"), `${tile.place} · ${tile.sku}`);
    put(find("word"), tile.status === "stale" || !stale ? tile.word : "Stale");
    put(link.querySelector(".tile-count b"), countText(tile, stale));
    const worth = stale ? worthText(tile) : "";
    put(find("worth"), worth);
    find("worth").hidden = worth === "";
    const shown = (stale && tile.estimate ? tile.estimate.pieces : tile.pieces) ?? 0;
    const full = Math.min(1, shown / tile.capacity);
    setAttribute(link.querySelector(".bar-fill"), "width", `${(full * 100).toFixed(1)}%`);
    setAttribute(link.querySelector(".bar-minimum"), "x", `${((tile.minimum / tile.capacity) * 100).toFixed(1)}%`);
    this.#showSlot(find("slot"), tile, status);
  }

  #showSlot(slot, tile, status) {
    const ordered = status !== "stale" && tile.order !== null;
    if (slot.classList.contains("ordered") !== ordered) {
      slot.classList.toggle("ordered", ordered);
      slot.querySelector("svg")?.remove();
      if (ordered) slot.prepend(mark("ordered"));
    }
    put(slot.querySelector(".tile-says"), slotText(tile, status));
  }

  #showGroup(group) {
    this.#sites.set(group.site_id, group.site);
    const section = this.querySelector(`[data-site="${group.site_id}"]`);
    if (!section) return;
    const bins = WORST_FIRST.reduce((sum, status) => sum + group.counts[status], 0);
    put(section.querySelector("[data-part=bins]"), `${count(bins)} ${bins === 1 ? "bin" : "bins"}`);
    let x = 0;
    for (const status of WORST_FIRST) {
      const width = (group.counts[status] * 100) / bins;
      const part = section.querySelector(`.m-${status}`);
      setAttribute(part, "x", `${x}%`);
      setAttribute(part, "width", `${width}%`);
      x += width;
    }
    const tag = section.querySelector("[data-part=gateway]");
    tag.className = `tag ${group.gateway_kind}`;
    tag.querySelector("use").setAttribute("href", `#m-${group.gateway_kind}`);
    tag.dataset.text = group.gateway_text;
    tag.dataset.since = group.gateway_ms ?? "";
    this.#tickGateway(tag);
  }

  #tickGateway(tag) {
    const since = tag.dataset.since ? ` ${ago(serverNow() - Number(tag.dataset.since))}` : "";
    put(tag.querySelector("[data-part=gateway-text]"), tag.dataset.text + since);
  }

  #showFigure(figure) {
    const card = this.querySelector(`[data-figure="${figure.key}"]`);
    for (const part of ["value", "of", "sub"]) put(card?.querySelector(`[data-part=${part}]`), figure[part]);
    card?.classList.toggle("is-alarm", figure.alarm);
  }

  #showNeeds({ count: all, first: needs }) {
    const template = this.querySelector("template[data-part=need]");
    const cards = needs.map((need) => {
      const card = template.content.cloneNode(true).firstElementChild;
      card.querySelector(".mark").setAttribute("class", `mark ${need.kind}`);
      card.querySelector("use").setAttribute("href", `#m-${need.kind}`);
      put(card.querySelector("h3"), need.title);
      put(card.querySelector("p"), need.text);
      const time = card.querySelector("time");
      if (need.since_ms === null) time.remove();
      else {
        time.dateTime = new Date(need.since_ms).toISOString();
        time.title = MOMENT.format(need.since_ms);
        put(time, ago(serverNow() - need.since_ms));
      }
      const link = card.querySelector("a");
      link.href = need.href;
      link.setAttribute("aria-label", `${need.button}: ${need.title}`);
      put(link, need.button);
      return card;
    });
    this.#keepingFocus(() => this.#part("needs").replaceChildren(...cards));
    const badge = this.#part("needs-count");
    put(badge, count(all));
    badge.className = `tag num ${needs[0]?.kind === "empty" ? "empty" : "stale"}`;
    this.#part("needs-more").hidden = all === needs.length;
    this.#part("calm").hidden = all > 0;
    const before = this.#needs;
    this.#needs = new Set(needs.map((need) => need.key));
    const fresh = before ? needs.filter((need) => !before.has(need.key)).length : 0;
    if (fresh) this.#say(`${fresh} new ${fresh === 1 ? "thing needs" : "things need"} a person.`);
  }

  // Not the wall itself is read aloud, only this one line, and not too often.
  #say(text, now = false) {
    const at = performance.now();
    if (!now && at - this.#saidAt < SAY_MS_MIN) return;
    this.#saidAt = at;
    put(this.#part("say"), text);
  }

  #tick() {
    if (document.hidden) return;
    if (this.#source && performance.now() - this.#heardAt > SILENT_MS_MAX) this.#lost();
    let faded = false;
    for (const known of this.#tiles.values()) {
      if (!known.tile) continue;
      const status = isStale(known.tile) ? "stale" : known.tile.status;
      if (known.row.hidden === this.#isWanted(known.tile)) faded = true;
      if (known.row.hidden) continue;
      const link = known.row.firstElementChild;
      if (!link.classList.contains(`is-${status}`)) this.#showTile(known);
      else put(link.querySelector(".tile-says"), slotText(known.tile, status));
    }
    if (faded) this.#filter();
    for (const tag of this.querySelectorAll("[data-part=gateway][data-text]")) this.#tickGateway(tag);
    for (const list of this.#unordered) this.#order(list);
  }

  // ---------------------------------------------------------------- order, filter, keys

  #order(list) {
    // Tiles do not move under a hand or away from under the keyboard.
    if (list.matches(":hover, :focus-within")) return;
    this.#unordered.delete(list);
    const rank = (row) => WORST_FIRST.indexOf(this.#tiles.get(row.dataset.code)?.tile?.status ?? "ok");
    const place = (row) => this.#tiles.get(row.dataset.code)?.tile?.place ?? "";
    const rows = [...list.children].map((row) => ({ row, rank: rank(row), place: place(row) }));
    rows.sort((a, b) => a.rank - b.rank || (a.place < b.place ? -1 : a.place > b.place ? 1 : 0));
    rows.forEach(({ row }, at) => list.children[at] !== row && list.insertBefore(row, list.children[at]));
    this.#number(list);
  }

  #filter() {
    let shown = 0;
    for (const { row, tile } of this.#tiles.values()) {
      if (tile) row.hidden = !this.#isWanted(tile);
      shown += row.hidden ? 0 : 1;
    }
    for (const list of this.querySelectorAll(".tiles")) {
      this.#number(list);
      list.closest(".group").hidden = !list.querySelector("li:not([hidden])");
    }
    if (this.#part("none")) this.#part("none").hidden = shown > 0;
    this.#rove();
  }

  #number(list) {
    const rows = [...list.children].filter((row) => !row.hidden);
    rows.forEach((row, at) => {
      setAttribute(row, "aria-posinset", String(at + 1));
      setAttribute(row, "aria-setsize", String(rows.length));
    });
  }

  #watchFilters() {
    this.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-filter]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if ("clear" in link.dataset) this.#search().value = "";
      this.#goTo(link.dataset.filter, this.#search().value);
      history.pushState(null, "", this.#address());
    });
    this.#search()?.addEventListener("input", (event) => {
      this.#goTo(this.dataset.state, event.target.value);
      history.replaceState(null, "", this.#address());
    });
    this.#search()?.form.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("popstate", () => {
      const asked = new URLSearchParams(location.search);
      this.#search().value = asked.get("q") ?? "";
      this.#goTo(asked.get("state") ?? "", this.#search().value);
    });
  }

  #goTo(state, query) {
    this.dataset.state = state;
    this.dataset.query = query;
    for (const chip of this.querySelectorAll(".chip[data-filter]")) {
      if (chip.dataset.filter === state) chip.setAttribute("aria-current", "true");
      else chip.removeAttribute("aria-current");
    }
    this.#filter();
    const visible = this.querySelectorAll("li[data-code]:not([hidden])").length;
    this.#say(`${visible} ${visible === 1 ? "bin" : "bins"} shown.`, true);
  }

  #address() {
    const asked = new URLSearchParams();
    if (this.dataset.state) asked.set("state", this.dataset.state);
    if (this.dataset.query) asked.set("q", this.dataset.query);
    return asked.size ? `?${asked}` : location.pathname;
  }

  // One tile is in the tab order; the arrows lead on from it.
  #rove(to = null) {
    const links = this.#links();
    const current = to ?? links.find((link) => link.tabIndex === 0) ?? links[0];
    for (const { row } of this.#tiles.values()) {
      const link = row.firstElementChild;
      const index = link === current ? 0 : -1;
      if (link.getAttribute("tabindex") !== String(index)) link.setAttribute("tabindex", index);
    }
  }

  #links() {
    return [...this.querySelectorAll("li[data-code]:not([hidden]) > .tile")];
  }

  #watchKeys() {
    this.addEventListener("focusin", (event) => {
      if (!event.target.matches(".tile")) return;
      this.#rove(event.target);
      this.#explain(event.target);
    });
    this.addEventListener("pointerover", (event) => this.#explain(event.target.closest(".tile")));
    this.addEventListener("keydown", (event) => {
      if (!event.target.matches(".tile") || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "/") {
        event.preventDefault();
        this.#search().focus();
        return;
      }
      const next = this.#towards(event.target, event.key);
      if (!next) return;
      event.preventDefault();
      this.#rove(next);
      next.focus();
    });
  }

  // The exact time and the reason, for who points at a tile: too many words to keep for all of them.
  #explain(link) {
    const tile = this.#tiles.get(link?.parentElement.dataset.code)?.tile;
    if (tile) setAttribute(link, "title", title(tile));
  }

  #towards(from, key) {
    const links = this.#links();
    const at = links.indexOf(from);
    if (key === "ArrowRight") return links[at + 1];
    if (key === "ArrowLeft") return links[at - 1];
    if (key === "Home") return links[0];
    if (key === "End") return links.at(-1);
    if (key !== "ArrowDown" && key !== "ArrowUp") return null;
    const here = from.getBoundingClientRect();
    const others = key === "ArrowDown" ? links.slice(at + 1) : links.slice(0, at).reverse();
    const boxes = others.map((link) => ({ link, box: link.getBoundingClientRect() }));
    const row = boxes.find(({ box }) => Math.abs(box.top - here.top) > here.height / 2)?.box.top;
    const inRow = boxes.filter(({ box }) => Math.abs(box.top - row) < here.height / 2);
    const distance = ({ box }) => Math.abs(box.left - here.left);
    return inRow.sort((a, b) => distance(a) - distance(b))[0]?.link;
  }

  #keepingFocus(change) {
    const focused = this.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    change();
    if (focused && !this.contains(document.activeElement)) {
      this.querySelector(`a[aria-label="${CSS.escape(focused)}"]`)?.focus();
    }
  }

  #newRow(tile) {
    const row = document.createElement("li");
    row.dataset.code = tile.code;
    row.append(this.querySelector("template[data-part=tile]").content.cloneNode(true).querySelector("a"));
    row.firstElementChild.href = `/bins/${tile.code}`;
    this.#list(tile.site_id).append(row);
    put(row.querySelector(".tile-count").lastChild, ` / ${count(tile.capacity)}`);
    return row;
  }

  #list(site) {
    return this.querySelector(`[data-site="${site}"] .tiles`);
  }

  #search() {
    return this.querySelector("input[type=search]");
  }

  #part(name) {
    return this.querySelector(`:not(template)[data-part="${name}"]`);
  }

  #put(name, text) {
    put(this.#part(name), text);
  }
}

const isStale = (tile) => tile.status === "stale" || (tile.stale_ms !== null && serverNow() > tile.stale_ms);

// The same as `parts.tile_count` and `parts.worth` in the templates: measured, or not to be acted on.
function countText(tile, stale) {
  if (tile.pieces === null) return "–";
  if (stale && tile.estimate) return `≈ ${count(tile.estimate.pieces)}`;
  return count(tile.pieces) + (tile.plus_minus === null ? "" : ` ±${count(tile.plus_minus)}`);
}

function worthText(tile) {
  if (tile.estimate) return `estimate ${count(tile.estimate.low)} to ${count(tile.estimate.high)}`;
  return tile.pieces === null ? "" : "last known";
}

// The same words as `words.order_word`; what is not named here is answered.
const ORDER_WORDS = {
  draft: "draft", approved: "ordered", sent: "ordered",
  shipped: "coming", part_delivered: "coming", received: "coming",
};

// The same words as `parts.slot` in the templates.
function slotText(tile, status) {
  const now = serverNow();
  if (status === "stale") return tile.measured_ms === null ? "" : `${ago(now - tile.measured_ms)} old`;
  if (tile.order) return ORDER_WORDS[tile.order] ?? "answered";
  if (tile.low_ms !== null) return `since ${ago(now - tile.low_ms)}`;
  return ago(now - tile.measured_ms);
}

// The same tests as `views.matches`.
function matches(tile, site, state, query) {
  const text = `${tile.code} ${tile.part} ${tile.place} ${tile.sku} ${tile.supplier} ${site}`.toLowerCase();
  if (!text.includes((query ?? "").trim().toLowerCase())) return false;
  if (state === "ordered") return tile.order !== null;
  const status = isStale(tile) ? "stale" : tile.status;
  return state === "" || state === status || (state === "low" && status === "empty");
}

function title(tile) {
  const weighed = tile.measured_ms === null ? "Never weighed" : `Weighed ${MOMENT.format(tile.measured_ms)}`;
  return [weighed, tile.because, tile.order_label && `Order ${tile.order_label} to ${tile.supplier}`].filter(Boolean).join("\n");
}

function mark(name) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("class", "mark");
  made.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#m-${name}`);
  made.append(use);
  return made;
}

function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

customElements.define("bin-wall", BinWall);
