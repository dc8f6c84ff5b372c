// The line to the merchant's page, where the checkout stands in a frame. What is said on it: checkout.js.

const VERSION = 1;

/** Whether this page stands in a frame. */
export const isFramed = window.parent !== window;

/** @type {MessagePort | undefined} */
let port;

/**
 * Wait for checkout.js to call. Its port is a private line: only the script that made it can hear us or speak on it.
 * @param {() => void} connected
 */
export function listenToParent(connected) {
  if (!isFramed) return;
  window.addEventListener("message", (event) => {
    if (port || event.source !== window.parent || event.ports.length !== 1) return;
    if (event.data?.version !== VERSION || event.data.type !== "connect") return;
    port = event.ports[0];
    connected();
    tellParent("ready");
  });
}

/**
 * @param {"ready" | "close" | "success" | "failure"} type
 * @param {object} [detail]
 */
export function tellParent(type, detail) {
  port?.postMessage({ version: VERSION, type, detail });
}
