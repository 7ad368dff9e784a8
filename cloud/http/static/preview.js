// Says at once what would come of a form. Without this a button does the same, on a page of its own.

const form = document.querySelector("[data-preview]");
const WAIT_MS = 250;
let waiting = 0;
let asked = null;

async function preview() {
  asked?.abort();
  asked = new AbortController();
  try {
    const answer = await fetch(form.dataset.preview, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      signal: asked.signal,
      redirect: "error",
    });
    if (!answer.ok && answer.status !== 422) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("says");
    if (fresh) document.getElementById("says").replaceChildren(...fresh.childNodes);
  } catch {
    // Away or overtaken: what is shown stays, and the button asks once more.
  }
}

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(preview, WAIT_MS);
});
