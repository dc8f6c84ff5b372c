// The three calls a checkout makes to the API, and the few ways they can fail.

const TIMEOUT_MILLISECONDS = 15_000;

/**
 * @typedef {{order_id: string, amount: number, currency: string, merchant_name: string, livemode: boolean}} Order
 * @typedef {{id: string, order_id: string, amount: number, currency: string, method: string,
 *   status: "pending" | "processing" | "success" | "failed" | "cancelled" | "expired",
 *   error: {code: string, message: string} | null}} Payment
 * @typedef {"offline" | "refused" | "missing" | "invalid" | "conflict" | "unavailable"} Problem
 */

/** Why a call failed. `sentence` is the API's own and fit to be read. */
export class CallFailedError extends Error {
  /**
   * @param {Problem} problem
   * @param {string} sentence
   */
  constructor(problem, sentence) {
    super(sentence);
    this.problem = problem;
    this.sentence = sentence;
  }
}

/**
 * @param {string} address
 * @param {string} key
 */
export function createApi(address, key) {
  /**
   * @param {string} path
   * @param {RequestInit} [request]
   */
  const call = (path, request = {}) =>
    answer(`${address}/api/v1/checkout/${path}`, {
      ...request,
      headers: { "X-Api-Key": key, ...request.headers },
    });

  return {
    /**
     * @param {string} orderId
     * @returns {Promise<Order>}
     */
    getOrder: (orderId) => call(`orders/${encodeURIComponent(orderId)}`),

    /**
     * The same attempt sent twice, because an answer got lost, makes one payment.
     * @param {string} orderId
     * @param {string} vpa
     * @param {string} attempt
     * @returns {Promise<{payment: Payment, client_token: string}>}
     */
    createPayment: (orderId, vpa, attempt) =>
      call("payments", {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": attempt },
        body: JSON.stringify({ order_id: orderId, method: "upi", vpa }),
      }),

    /**
     * @param {string} paymentId
     * @param {string} clientToken
     * @returns {Promise<Payment>}
     */
    getPayment: (paymentId, clientToken) =>
      call(`payments/${encodeURIComponent(paymentId)}`, { headers: { "X-Client-Token": clientToken } }),
  };
}

/** A name for one attempt to pay. `crypto.randomUUID` is missing on plain http. */
export function newAttempt() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} url
 * @param {RequestInit} request
 */
async function answer(url, request) {
  /** @type {Response} */
  let response;
  /** @type {any} */
  let body;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
    response = await fetch(url, { ...request, signal, cache: "no-store", credentials: "omit" });
    body = await response.json();
  } catch (error) {
    // A body that is no JSON comes from something between us and the API, not from a missing network.
    throw new CallFailedError(error instanceof SyntaxError ? "unavailable" : "offline", "");
  }
  if (response.ok) return body;
  throw new CallFailedError(problemOf(response.status), body?.error?.message ?? "");
}

/**
 * @param {number} status
 * @returns {Problem}
 */
function problemOf(status) {
  if (status === 401 || status === 403) return "refused";
  if (status === 404) return "missing";
  if (status === 400 || status === 422) return "invalid";
  if (status === 409) return "conflict";
  return "unavailable";
}
