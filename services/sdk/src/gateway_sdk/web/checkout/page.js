// The checkout page from opening to outcome: load the order, take a UPI ID, pay, watch, show how it ended.

import { CallFailedError, createApi, newAttempt } from "./api.js";
import { isFramed, listenToParent, tellParent } from "./parent.js";
import { announce, complain, complainAboutVpa, element, fill, setBusy, setStep, show } from "./screens.js";
import { formatAmount, looksLikeVpa, reasonOf, refusalOf, STOPPED } from "./words.js";

/** @typedef {import("./api.js").Payment} Payment */

const POLL_MILLISECONDS = 1_000;
const POLL_MILLISECONDS_MAX = 5_000;
const LONG_WAIT_MILLISECONDS = 15_000;

const parameters = new URLSearchParams(location.search);
const orderId = parameters.get("order_id") ?? "";
const api = createApi(document.documentElement.dataset.apiUrl ?? "", parameters.get("key") ?? "");
const field = /** @type {HTMLInputElement} */ (element("vpa"));
// One name per try to pay. It is kept only while nobody knows whether the request arrived, so that pressing Pay
// again does not pay twice; an empty `vpa` means that the next press is a new try.
let attempt = { name: "", vpa: "" };
let paying = false;

async function start() {
  if (!orderId || !parameters.get("key")) return stop("incomplete");
  show("loading");
  try {
    const order = await api.getOrder(orderId);
    const amount = formatAmount(order.amount, order.currency);
    const initial = Array.from(order.merchant_name.trim())[0]?.toUpperCase() ?? "";
    fill({ amount, initial, merchant: order.merchant_name, order: order.order_id });
    document.title = `Pay ${amount} to ${order.merchant_name}`;
    document.documentElement.dataset.mode = order.livemode ? "live" : "test";
    show("form", isFramed ? "vpa" : undefined);
  } catch (error) {
    stop(problemOf(error));
  }
}

/** @param {string} problem */
function stop(problem) {
  const { title, text, again } = STOPPED[problem] ?? STOPPED.unavailable;
  fill({ "stopped-title": title, "stopped-text": text });
  element("reload").hidden = !again;
  show("stopped", "stopped-title");
}

async function pay() {
  const vpa = field.value.trim();
  complain("");
  complainAboutVpa("");
  if (!looksLikeVpa(vpa)) {
    return complainAboutVpa(vpa ? "A UPI ID looks like name@bank." : "Enter your UPI ID.");
  }
  if (paying) return;
  paying = true;
  setBusy(true);
  try {
    if (attempt.vpa !== vpa) attempt = { name: newAttempt(), vpa };
    const { payment, client_token: clientToken } = await api.createPayment(orderId, vpa, attempt.name);
    attempt.vpa = "";
    fill({ vpa, "payment-id": payment.id });
    const settled = await watch(payment, clientToken);
    if (settled) finish(settled);
    else stop("unknown");
  } catch (error) {
    refuse(error);
  } finally {
    paying = false;
    setBusy(false);
  }
}

/** @param {unknown} error */
function refuse(error) {
  const problem = problemOf(error);
  if (problem === "refused" || problem === "missing") return stop(problem);
  show("form", "pay");
  complain(refusalOf(problem, error instanceof CallFailedError ? error.sentence : ""));
  if (problem !== "offline" && problem !== "unavailable") attempt.vpa = "";
}

/**
 * Ask until the payment has an outcome. A lost connection is no outcome: the payment goes on without us. Null once
 * the API no longer tells us, because the token ran out.
 * @param {Payment} payment
 * @param {string} clientToken
 */
async function watch(payment, clientToken) {
  const started = Date.now();
  let pause = POLL_MILLISECONDS;
  showProgress(payment, "");
  show("processing", "processing-title");
  while (payment.status === "pending" || payment.status === "processing") {
    await new Promise((resolve) => setTimeout(resolve, pause));
    let note = Date.now() - started > LONG_WAIT_MILLISECONDS ? "This takes longer than usual. You can keep waiting here." : "";
    try {
      payment = await api.getPayment(payment.id, clientToken);
      pause = POLL_MILLISECONDS;
    } catch (error) {
      if (["refused", "missing"].includes(problemOf(error))) return null;
      pause = Math.min(pause * 2, POLL_MILLISECONDS_MAX);
      note = "The connection is lost. Your payment goes on; we keep trying to reach it.";
    }
    showProgress(payment, note);
  }
  return payment;
}

/**
 * @param {Payment} payment
 * @param {string} note
 */
function showProgress(payment, note) {
  const text = element("note");
  setStep(payment.status === "pending" ? 0 : 1);
  if (text.textContent === note) return;
  text.textContent = note;
  announce(note);
}

/** @param {Payment} payment */
function finish(payment) {
  const { id: paymentId, order_id: orderId, amount, currency } = payment;
  announce("");
  if (payment.status === "success") {
    fill({ "total-label": "Amount paid" });
    show("success", "success-title");
    document.title = "Payment successful";
    tellParent("success", { paymentId, orderId, amount, currency });
    return;
  }
  const message = reasonOf(payment);
  fill({ reason: message });
  show("failure", "failure-title");
  tellParent("failure", { paymentId, orderId, code: payment.error?.code ?? payment.status, message });
}

/** Ask to be closed once the browser is through with the event at hand: it dies with the frame. */
function leave() {
  setTimeout(() => tellParent("close"));
}

/** @param {unknown} error */
function problemOf(error) {
  if (error instanceof CallFailedError) return error.problem;
  throw error;
}

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  pay();
});
field.addEventListener("input", () => complainAboutVpa(""));
element("again").addEventListener("click", () => {
  show("form", "vpa");
  field.select();
});
element("reload").addEventListener("click", start);
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", leave);
}
// Closed on the way up, so that the merchant's page does not get half a key press; only if it went down here too,
// because an Escape that shuts the browser's list of suggestions is not meant for us.
let escaping = false;
window.addEventListener("keydown", (event) => {
  escaping = event.key === "Escape";
});
window.addEventListener("keyup", (event) => {
  if (escaping && event.key === "Escape") leave();
});

document.documentElement.classList.toggle("framed", isFramed);
listenToParent(() => document.documentElement.classList.add("connected"));
start();
