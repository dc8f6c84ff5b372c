// A merchant's receiver in Node, for very many webhooks in one process. A line of stdin is `id time standard plain body`,
// the body raw; what it thinks of them all goes to stdout as one JSON object.

import crypto from "node:crypto";

const [verifier, secret, now] = process.argv.slice(2);
const { verify, verifyPlain } = await import(verifier);
const counts = { read: 0, bytes: 0, reprinted: 0, documented: 0, plain: 0, standard: 0 };
const wrong = [];

/** README's way: it parses the body, prints it again and signs that. */
function documented(req) {
  return (
    crypto.createHmac('sha256', secret).update(JSON.stringify(req.body)).digest('hex') === req.headers['x-webhook-signature']
  );
}

function accepts(check) {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

function judge(line) {
  const words = [];
  let at = 0;
  while (words.length < 4) {
    const end = line.indexOf(0x20, at);
    words.push(line.toString("latin1", at, end));
    at = end + 1;
  }
  const [id, time, standard, plain] = words;
  const body = line.subarray(at);
  const headers = { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": standard, "x-webhook-signature": plain };
  const value = JSON.parse(body);
  const found = {
    reprinted: Buffer.from(JSON.stringify(value)).equals(body),
    documented: documented({ body: value, headers }),
    plain: accepts(() => verifyPlain(secret, headers, body)),
    standard: accepts(() => verify(secret, headers, body, { now: Number(now) })),
  };
  counts.read += 1;
  counts.bytes += body.length;
  for (const [name, isTrue] of Object.entries(found)) {
    counts[name] += Number(isTrue);
  }
  if (wrong.length < 3 && Object.values(found).includes(false)) {
    wrong.push(body.toString("base64"));
  }
}

let rest = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  const data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
  let at = 0;
  for (let end = data.indexOf(0x0a); end !== -1; end = data.indexOf(0x0a, at)) {
    judge(data.subarray(at, end));
    at = end + 1;
  }
  rest = data.subarray(at);
}
console.log(JSON.stringify({ ...counts, left: rest.length, wrong }));
