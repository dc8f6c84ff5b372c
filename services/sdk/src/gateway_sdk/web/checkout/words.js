// What the customer reads: amounts, and why something did not work. Pure; nothing here touches the page.

const NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(" ");
const THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND".split(" ");

/**
 * How many decimal digits the currency has, by ISO 4217. Browsers differ here, so none is asked.
 * @param {string} currency
 */
export function exponent(currency) {
  if (NO_DIGITS.includes(currency)) return 0;
  return THREE_DIGITS.includes(currency) ? 3 : 2;
}

/**
 * @param {number} amountMinor
 * @param {string} currency
 */
export function formatAmount(amountMinor, currency) {
  const digits = exponent(currency);
  const style = { style: /** @type {const} */ ("currency"), currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat("en-IN", style).format(amountMinor / 10 ** digits);
}

/**
 * A UPI ID has a name and a bank. The API decides what it takes; this catches slips before a request is made.
 * @param {string} vpa
 */
export function looksLikeVpa(vpa) {
  return /^[A-Za-z0-9._-]{2,256}@[A-Za-z][A-Za-z0-9.-]{1,63}$/.test(vpa);
}

/** @type {Record<string, string>} */
const REASONS = {
  payment_declined: "Your bank declined this payment. You can try again, or use another UPI ID.",
  insufficient_funds: "There is not enough money in this account. You can use another UPI ID.",
  cancelled: "The payment was cancelled before it was completed.",
  expired: "The request was not approved in time.",
};

/**
 * Why a payment did not succeed.
 * @param {{status: string, error: {code: string, message: string} | null}} payment
 */
export function reasonOf({ status, error }) {
  return REASONS[error?.code ?? ""] ?? error?.message ?? REASONS[status] ?? "The payment could not be completed.";
}

/**
 * What stands on the page when the checkout can't be shown, and whether another try may help.
 * @type {Record<string, {title: string, text: string, again: boolean}>}
 */
export const STOPPED = {
  incomplete: {
    title: "This link is incomplete",
    text: "Please go back to the shop and start the payment again.",
    again: false,
  },
  refused: {
    title: "This checkout can’t be opened",
    text: "The shop’s key was not accepted. Please tell the shop; no payment was made.",
    again: false,
  },
  missing: {
    title: "We can’t find this order",
    text: "It may have been removed. Please go back to the shop and start again.",
    again: false,
  },
  unknown: {
    title: "Not settled yet",
    text: "Your payment is still open. The shop is told as soon as it is settled; please do not pay again until then.",
    again: false,
  },
  offline: {
    title: "No connection",
    text: "We can’t reach the payment service. Please check your connection and try again.",
    again: true,
  },
  unavailable: {
    title: "Payments are paused for a moment",
    text: "Something is not working on our side. Please try again shortly; no payment was made.",
    again: true,
  },
};

/**
 * Why a request to pay was not taken; shown above the form, which stays as it was.
 * @param {string} problem
 * @param {string} sentence
 */
export function refusalOf(problem, sentence) {
  if (problem === "offline") return "We can’t reach the payment service. Check your connection, then press Pay again.";
  if (problem === "invalid" || problem === "conflict") return sentence || "This payment was not accepted.";
  return "The payment service can’t take this payment right now. Please try again in a moment.";
}
