#!/usr/bin/env node
// The schema engine of Prisma's commands. Prisma 7 downloads it as a native program, which is in no registry of
// packages. This program offers the same interface, JSON-RPC on stdin and stdout, for the same engine as WebAssembly.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { PrismaPg } from "@prisma/adapter-pg";
import { ColumnTypeEnum, bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import * as bindings from "@prisma/schema-engine-wasm/schema_engine_bg";

const CHAR = 18; // PostgreSQL's "char" in its catalog, which the adapter does not know
const TEXT = 25;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: { datasource: { type: "string" }, datamodels: { type: "string", multiple: true } },
});
const { hostname, port, username, password, pathname } = new URL(JSON.parse(values.datasource).url);
const place = { host: hostname, port: Number(port), user: username, password, database: pathname.slice(1) };

/** Has every query of an adapter's class return columns of type "char". */
function readCatalog(adapter) {
  const queryable = Object.getPrototypeOf(Object.getPrototypeOf(adapter));
  if (Object.hasOwn(queryable, "chars")) return adapter;
  const { performIO, queryRaw } = queryable;
  const chars = (queryable.chars = new WeakMap());
  queryable.performIO = async function (query) {
    const result = await performIO.call(this, query);
    const found = (result.fields ?? []).filter((field) => field.dataTypeID === CHAR);
    chars.set(query, found.map((field) => result.fields.indexOf(field)));
    for (const field of found) field.dataTypeID = TEXT;
    return result;
  };
  queryable.queryRaw = async function (query) {
    const result = await queryRaw.call(this, query);
    for (const index of chars.get(query)) result.columnTypes[index] = ColumnTypeEnum.Character;
    return result;
  };
  return adapter;
}

class Database extends PrismaPg {
  async connect() {
    return readCatalog(await super.connect());
  }

  async connectToShadowDb() {
    const main = await this.connect();
    const database = `shadow_${crypto.randomUUID()}`;
    await main.executeScript(`CREATE DATABASE "${database}"`);
    const shadow = readCatalog(await new PrismaPg({ ...place, database }).connect());
    const dispose = shadow.dispose.bind(shadow);
    shadow.dispose = async () => {
      await dispose();
      await main.executeScript(`DROP DATABASE "${database}" WITH (FORCE)`);
      await main.dispose();
    };
    return shadow;
  }
}

async function start() {
  globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (message) => console.error(message) };
  const file = createRequire(import.meta.url).resolve("@prisma/schema-engine-wasm/schema_engine_bg").replace(/js$/, "wasm");
  const { instance } = await WebAssembly.instantiate(readFileSync(file), { "./schema_engine_bg.js": bindings });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  const datamodels = values.datamodels?.map((path) => [path, readFileSync(path, "utf8")]);
  const adapter = bindMigrationAwareSqlAdapterFactory(new Database(place));
  return bindings.SchemaEngine.new({ datamodels }, () => {}, adapter);
}

async function answer(engine, { method, params }) {
  try {
    return { result: (await engine[method === "getDatabaseVersion" ? "version" : method](params)) ?? {} };
  } catch ({ message }) {
    return { error: { code: 4466, message, data: { is_panic: false, message } } };
  }
}

function say(message) {
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
}

if (positionals[0] === "cli") {
  await (await new Database(place).connect()).dispose(); // can-connect-to-database
  process.exit();
}
const engine = await start();
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  if (!request.method) continue; // the answer to `print`
  const response = await answer(engine, request);
  if (response.result?.stdout) say({ id: 0, method: "print", params: { content: response.result.stdout } });
  say({ id: request.id, ...response });
}
process.exit();
