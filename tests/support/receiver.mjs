// A merchant's receiver in Node, as a merchant would write it: it parses the body, prints it again and signs that.
// What it got and whether it believed it goes to stdout, a JSON line each; the secret comes by stdin, a line too.

import crypto from "node:crypto";
import http from "node:http";
import readline from "node:readline";

let secret = "";

function accepts(body, signature) {
  const expected = crypto.createHmac("sha256", secret).update(JSON.stringify(body)).digest("hex");
  return expected === signature;
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const raw = Buffer.concat(chunks);
    const accepted = accepts(JSON.parse(raw), request.headers["x-webhook-signature"]);
    console.log(JSON.stringify({ accepted, headers: request.headers, body: raw.toString("base64") }));
    response.writeHead(accepted ? 204 : 401).end();
  });
});

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  secret = line;
  console.log(JSON.stringify({ knowsSecret: true }));
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
