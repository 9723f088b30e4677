// npm's mailparser as a reader of tests/relay/readers.py: each line of standard input is a JSON
// list of messages in base64, each line of standard output the list of what was read in them.

import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { simpleParser } from "mailparser";

// The text and the HTML as they are in the letter, not made from one another.
const options = { skipHtmlToText: true, skipTextToHtml: true, keepCidLinks: true };

async function read(message) {
  const mail = await simpleParser(Buffer.from(message, "base64"), options);
  const files = mail.attachments.map((file) => [
    file.filename ?? "",
    createHash("sha256").update(file.content).digest("hex"),
  ]);
  return { plain: mail.text ?? "", html: mail.html || "", files };
}

for await (const line of createInterface({ input: process.stdin })) {
  const readings = await Promise.all(JSON.parse(line).map(read));
  process.stdout.write(`${JSON.stringify(readings)}\n`);
}
