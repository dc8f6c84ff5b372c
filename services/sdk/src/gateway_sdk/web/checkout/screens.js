// The page's screens: which one is shown, and the words in it. What happens when: page.js.

/** @typedef {"loading" | "form" | "processing" | "success" | "failure" | "stopped"} Screen */

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`checkout.html has no #${id}`);
  return /** @type {T} */ (found);
}

let focused = "";

// A frame that is not yet shown can't take the focus; it is handed on when the frame gets it.
window.addEventListener("focus", () => {
  if (focused && document.activeElement === document.body) element(focused).focus();
});

/**
 * Show one screen. The focus goes to what `focus` names, so that a keyboard or a screen reader is never left behind.
 * @param {Screen} screen
 * @param {string} [focus]
 */
export function show(screen, focus) {
  for (const section of document.querySelectorAll("section[data-screen]")) {
    /** @type {HTMLElement} */ (section).hidden = section.getAttribute("data-screen") !== screen;
  }
  document.documentElement.dataset.screen = screen;
  focused = focus ?? "";
  if (focus) element(focus).focus();
}

/**
 * Put the words into every place of that name.
 * @param {Record<string, string>} words
 */
export function fill(words) {
  for (const [name, text] of Object.entries(words)) {
    for (const place of document.querySelectorAll(`[data-text="${name}"]`)) place.textContent = text;
  }
}

/**
 * Say something to a screen reader that the eye sees anyway.
 * @param {string} text
 */
export function announce(text) {
  element("live").textContent = text;
}

/**
 * What is wrong with the field, beside it; an empty text takes it back.
 * @param {string} text
 */
export function complainAboutVpa(text) {
  const field = element("vpa");
  element("vpa-error").textContent = text;
  if (!text) return field.removeAttribute("aria-invalid");
  field.setAttribute("aria-invalid", "true");
  field.focus();
}

/**
 * What is wrong with the request, above the button; an empty text takes it back.
 * @param {string} text
 */
export function complain(text) {
  const place = element("form-error");
  place.hidden = !text;
  place.textContent = text;
}

/**
 * A busy button keeps the focus, which a disabled one would lose.
 * @param {boolean} busy
 */
export function setBusy(busy) {
  element("pay").setAttribute("aria-disabled", String(busy));
}

/**
 * How far the payment is: the steps before are done, this one is under way.
 * @param {number} current
 */
export function setStep(current) {
  element("steps").querySelectorAll("li").forEach((item, index) => {
    item.className = index < current ? "done" : index === current ? "current" : "";
    if (index === current) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
}
