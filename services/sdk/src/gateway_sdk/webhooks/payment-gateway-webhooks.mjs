// Verifies the payment gateway's webhooks: one file for your project, Node 18 or newer, nothing to install.
//
//   import { verify, WebhookVerificationError } from "./payment-gateway-webhooks.mjs";
//
//   app.post("/webhooks", express.raw({ type: "application/json" }), (req, res) => {
//     const event = verify(secret, req.headers, req.body);
//
// Give the body as it arrived, before any JSON parser, and the secret as it was shown, `whsec_` included. Both functions
// return the event, or throw a WebhookVerificationError, which says why: answer that with 400.

import { createHmac, timingSafeEqual } from "node:crypto";

const PREFIX = "whsec_";
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The webhook can't be trusted; the message says why. */
export class WebhookVerificationError extends Error {
  name = "WebhookVerificationError";
}

/**
 * Names to values as Node has them in `req.headers`, the `Headers` of fetch, or pairs; capital or small letters are all
 * the same.
 * @typedef {Record<string, string | string[] | undefined> | Iterable<[string, string]>} HeadersGiven
 */

/**
 * The event, if `webhook-signature` is that of Standard Webhooks and the webhook is not older than the tolerance. While
 * a secret is being rotated, one signature and one secret that fit each other are enough.
 * @param {string | string[]} secrets
 * @param {HeadersGiven} headers
 * @param {Uint8Array | string} body
 * @param {{ toleranceSeconds?: number, now?: number }} [options] `now` in seconds since 1970
 * @returns {any}
 */
export function verify(secrets, headers, body, { toleranceSeconds = 300, now = Date.now() / 1000 } = {}) {
  const given = lower(headers);
  const id = header(given, "webhook-id");
  const timestamp = header(given, "webhook-timestamp");
  const signatures = header(given, "webhook-signature").split(/\s+/).filter((entry) => entry.startsWith("v1,"));
  if (signatures.length === 0) {
    throw new WebhookVerificationError("webhook-signature holds no signature of version v1");
  }
  checkTime(timestamp, toleranceSeconds, now);
  const raw = bytes(body);
  const expected = list(secrets).map(
    (secret) => "v1," + createHmac("sha256", decode(secret)).update(`${id}.${timestamp}.`).update(raw).digest("base64"),
  );
  if (!anyEqual(expected, signatures)) {
    throw new WebhookVerificationError(
      "no signature fits: the secret is another one, or the body is not what was sent, to the byte",
    );
  }
  return parse(raw);
}

/**
 * The event, if `X-Webhook-Signature` is that of the body. It does not say when it was sent: prefer `verify`.
 * @param {string | string[]} secrets
 * @param {HeadersGiven | string} headersOrSignature
 * @param {Uint8Array | string} body
 * @returns {any}
 */
export function verifyPlain(secrets, headersOrSignature, body) {
  const signature =
    typeof headersOrSignature === "string"
      ? headersOrSignature
      : header(lower(headersOrSignature), "x-webhook-signature");
  const raw = bytes(body);
  const expected = list(secrets).map((secret) => createHmac("sha256", secret).update(raw).digest("hex"));
  if (!anyEqual(expected, [signature])) {
    throw new WebhookVerificationError(
      "the signature does not fit: the secret is another one, or the body is not what was sent, to the byte",
    );
  }
  return parse(raw);
}

/** @param {HeadersGiven} headers @returns {Map<string, string>} */
function lower(headers) {
  const pairs = Symbol.iterator in headers ? headers : Object.entries(headers);
  return new Map(
    [...pairs].map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? value.join(" ") : (value ?? "")]),
  );
}

/** @param {Map<string, string>} headers @param {string} name */
function header(headers, name) {
  const value = headers.get(name)?.trim();
  if (!value) {
    throw new WebhookVerificationError(`the header ${name} is missing`);
  }
  return value;
}

/** @param {string} timestamp @param {number} tolerance @param {number} now */
function checkTime(timestamp, tolerance, now) {
  if (!/^[0-9]{1,12}$/.test(timestamp)) {
    throw new WebhookVerificationError("webhook-timestamp is not in whole seconds");
  }
  const age = now - Number(timestamp);
  // Not `Math.abs(age) > tolerance`: of a number that is none (NaN) every comparison is false.
  if (!(Math.abs(age) <= tolerance)) {
    const when = age > 0 ? "ago" : "in the future";
    throw new WebhookVerificationError(
      `it was sent ${Math.abs(age).toFixed(0)} seconds ${when}: it may be an old one sent again, or this clock is wrong`,
    );
  }
}

/**
 * One secret or several; with none, or an empty one, anybody could sign.
 * @param {string | string[]} secrets
 */
function list(secrets) {
  const found = Array.isArray(secrets) ? secrets : [secrets];
  if (found.length === 0 || !found.every((secret) => typeof secret === "string" && secret !== "")) {
    throw new TypeError("give the endpoint's secret, or a list of several");
  }
  return found;
}

/** @param {string} secret */
function decode(secret) {
  const encoded = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  if (encoded === "" || !BASE64.test(encoded)) {
    throw new TypeError("the secret must be given as it was shown: whsec_ and base64, nothing around it");
  }
  return Buffer.from(encoded, "base64");
}

/** @param {Uint8Array | string} body */
function bytes(body) {
  if (typeof body === "string") {
    return Buffer.from(body);
  }
  if (!(body instanceof Uint8Array)) {
    throw new TypeError(
      "give the body as it arrived, in bytes (in Express by express.raw): what a JSON parser made of it can't be verified",
    );
  }
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

/**
 * All are compared, so that the time it takes says nothing about which one fits, or where it differs.
 * @param {string[]} expected
 * @param {string[]} given
 */
function anyEqual(expected, given) {
  const pairs = expected.flatMap((one) => given.map((other) => [Buffer.from(one), Buffer.from(other)]));
  return pairs.filter(([one, other]) => one.length === other.length && timingSafeEqual(one, other)).length > 0;
}

/** @param {Buffer} body */
function parse(body) {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new WebhookVerificationError("the signature fits, but the body is not JSON");
  }
}
