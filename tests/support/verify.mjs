// Puts cases before the merchants' verifier in Node: a JSON line in, a JSON line out with what it returned or threw.

import readline from "node:readline";

const { verify, verifyPlain, WebhookVerificationError } = await import(process.argv[2]);

function judge({ function: name, secrets, headers, body, now }) {
  const bytes = Buffer.from(body, "base64");
  try {
    const event = name === "verify" ? verify(secrets, headers, bytes, { now }) : verifyPlain(secrets, headers, bytes);
    return { event };
  } catch (error) {
    return { refused: error instanceof WebhookVerificationError, message: error.message };
  }
}

readline.createInterface({ input: process.stdin }).on("line", (line) => console.log(JSON.stringify(judge(JSON.parse(line)))));
