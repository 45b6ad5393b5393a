// Prints the diagnostics of AsyncAPI's own parser for each file, as JSON.
const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

async function main(files) {
  const parser = new Parser();
  const found = [];
  for (const file of files) {
    const { diagnostics } = await parser.parse(readFileSync(file, "utf8"));
    found.push(diagnostics.map(({ severity, path, message }) => [severity, path.join("."), message]));
  }
  console.log(JSON.stringify(found));
}

main(process.argv.slice(2));
