// The official JavaScript library of Standard Webhooks as a merchant uses it: a JSON line `{secret, headers, body}` in, a
// JSON line out with whether it believed it. The folder with its node_modules is the first argument.

import { createRequire } from "node:module";
import readline from "node:readline";

const { Webhook } = createRequire(`${process.argv[2]}/`)("standardwebhooks");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { secret, headers, body } = JSON.parse(line);
  let event = null;
  try {
    event = new Webhook(secret).verify(Buffer.from(body, "base64"), headers);
  } catch {
    // Not believed.
  }
  console.log(JSON.stringify(event?.id ?? null));
});
