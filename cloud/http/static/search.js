// A list that searches while one types. Without this the form does the same at the press of Enter.

const form = document.querySelector("[data-search]");
const found = document.getElementById("found");
const WAIT_MS = 200;
let waiting = 0;
let asked = null;

async function search() {
  const address = `${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`;
  asked?.abort();
  asked = new AbortController();
  try {
    const answer = await fetch(address, { signal: asked.signal, redirect: "error" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("found");
    if (!fresh) return;
    found.replaceChildren(...fresh.childNodes);
    history.replaceState(null, "", address);
  } catch {
    // Away or overtaken: what is shown stays, and Enter asks once more.
  }
}

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(search, WAIT_MS);
});
