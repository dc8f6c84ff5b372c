// The merchant's side of the checkout. It opens checkout.html in a frame over the page and hands what happens there
// to the merchant's functions; it sees no payment detail and speaks to no API.
//
//   const checkout = new PaymentGateway({ key: "key_test_abc123", orderId: "ord_test_001", onSuccess: (payment) => {} });
//   checkout.open();

(() => {
  "use strict";

  /**
   * @typedef {{paymentId: string, orderId: string, amount: number, currency: string}} Success
   * @typedef {{paymentId: string, orderId: string, code: string, message: string}} Failure
   * @typedef {object} Options
   * @property {string} key The publishable key.
   * @property {string} orderId The order to be paid: its id or your own reference.
   * @property {(payment: Success) => void} [onSuccess] The payment succeeded; the checkout is still open.
   * @property {(failure: Failure) => void} [onFailure] A payment failed; the customer may try again.
   * @property {() => void} [onClose] The checkout is gone, by the customer or by close().
   */

  const VERSION = 1;
  const PATIENCE_MILLISECONDS = 15_000;
  const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  if (!script?.src) throw new Error("checkout.js must be loaded by <script src=…>, not as a module.");
  const page = new URL("checkout.html", script.src);

  class PaymentGateway {
    #options;
    /** @type {(() => void) | null} */
    #dismantle = null;

    /** @param {Options} options */
    constructor(options) {
      this.#options = checked(options);
    }

    /** Show the checkout. Once it is open, opening it again does nothing. */
    open() {
      if (this.#dismantle) return;
      const { dialog, frame, showFrame } = build(this.#options);
      const opener = document.activeElement;
      const overflow = document.documentElement.style.overflow;
      /** @type {MessagePort | undefined} */
      let port;

      frame.addEventListener("load", () => {
        port?.close();
        // Only a document of the checkout's exact origin is given this end, and nobody else can speak on it.
        const channel = new MessageChannel();
        port = channel.port1;
        port.onmessage = (event) => this.#heard(event.data, showFrame);
        frame.contentWindow?.postMessage({ version: VERSION, type: "connect" }, page.origin, [channel.port2]);
      });
      dialog.addEventListener("close", () => this.close());
      this.#dismantle = () => {
        port?.close();
        dialog.remove();
        document.documentElement.style.overflow = overflow;
        if (opener instanceof HTMLElement) opener.focus();
      };

      document.body.append(dialog);
      document.documentElement.style.overflow = "hidden";
      dialog.showModal();
    }

    /** Take the checkout away. A payment under way goes on; your server hears of it by webhook. */
    close() {
      const dismantle = this.#dismantle;
      if (!dismantle) return;
      this.#dismantle = null;
      dismantle();
      this.#options.onClose?.();
    }

    /**
     * @param {any} message
     * @param {() => void} showFrame
     */
    #heard(message, showFrame) {
      if (message?.version !== VERSION) return;
      if (message.type === "ready") showFrame();
      if (message.type === "close") this.close();
      if (message.type === "success") this.#options.onSuccess?.(message.detail);
      if (message.type === "failure") this.#options.onFailure?.(message.detail);
    }
  }

  /**
   * @param {Options} options
   * @returns {Options}
   */
  function checked(options) {
    const { key, orderId, onSuccess, onFailure, onClose } = options ?? {};
    for (const [name, value] of Object.entries({ key, orderId })) {
      if (typeof value !== "string" || !value) throw new TypeError(`PaymentGateway: ${name} must be a string.`);
    }
    for (const [name, value] of Object.entries({ onSuccess, onFailure, onClose })) {
      if (value && typeof value !== "function") throw new TypeError(`PaymentGateway: ${name} must be a function.`);
    }
    return { key, orderId, onSuccess, onFailure, onClose };
  }

  /**
   * The frame stays hidden until its page has answered, and what is behind it can be closed: a checkout that never
   * loads must not lock the merchant's page. Styles are set one by one, so a strict style-src allows them.
   * @param {Options} options
   */
  function build(options) {
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-label", "Checkout");
    style(dialog, {
      position: "fixed", inset: "0", width: "100%", height: "100%", maxWidth: "none", maxHeight: "none",
      margin: "0", padding: "0", border: "0", overflow: "hidden", background: "rgb(12 17 29 / 0.62)",
    });
    const waiting = document.createElement("div");
    style(waiting, {
      position: "absolute", inset: "0", display: "grid", placeContent: "center", justifyItems: "center", gap: "16px",
      font: "16px/1.5 system-ui, sans-serif", color: "#fff", textAlign: "center",
    });
    const words = document.createElement("p");
    words.textContent = "Opening the checkout…";
    style(words, { margin: "0" });
    const leave = document.createElement("button");
    leave.type = "button";
    leave.textContent = "Close";
    style(leave, {
      font: "inherit", color: "#fff", background: "transparent", border: "1px solid rgb(255 255 255 / 0.6)",
      borderRadius: "10px", padding: "8px 20px", cursor: "pointer",
    });
    leave.addEventListener("click", () => dialog.close());
    waiting.append(words, leave);

    const frame = document.createElement("iframe");
    frame.title = "Checkout";
    frame.src = `${page}?${new URLSearchParams({ order_id: options.orderId, key: options.key })}`;
    frame.referrerPolicy = "no-referrer";
    // A frame whose color scheme is not its page's is painted opaque.
    style(frame, {
      display: "block", width: "100%", height: "100%", border: "0", background: "transparent",
      colorScheme: "light dark", visibility: "hidden", position: "relative",
    });
    dialog.append(waiting, frame);

    const impatience = setTimeout(() => {
      words.textContent = "The checkout does not answer. Please check your connection and try again.";
    }, PATIENCE_MILLISECONDS);
    const showFrame = () => {
      clearTimeout(impatience);
      waiting.remove();
      frame.style.visibility = "visible";
      frame.focus();
    };
    return { dialog, frame, showFrame };
  }

  /**
   * @param {HTMLElement} element
   * @param {Partial<CSSStyleDeclaration>} declarations
   */
  function style(element, declarations) {
    Object.assign(element.style, declarations);
  }

  Object.assign(window, { PaymentGateway });
})();
