// Plays Replicate: signed webhooks in Replicate's form, and pictures. It is only for development.
// A prompt with the word "fail" fails, and one with "nsfw" is refused.

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { crc32, deflateSync } from "node:zlib";
import { after } from "next/server";
import { send } from "./webhook";

const STEPS = 28;
const MILLISECONDS = 200; // for each step
const SERVER = process.env.SERVER_URL ?? `http://127.0.0.1:${process.env.PORT ?? 3000}`;

/** Starts a prediction and returns its id. */
export function standIn(prompt: string, webhook: string): string {
  const prediction = randomUUID().replaceAll("-", "");
  after(() => run(prediction, prompt.toLowerCase(), webhook));
  return prediction;
}

async function run(id: string, prompt: string, webhook: string): Promise<void> {
  const keys = JSON.parse(await readFile(process.env.HERALD_PROVIDER_KEYS ?? "", "utf8"));
  const report = (status: string, fields: object = {}) =>
    send(webhook, keys.replicate.secret, {
      id, status, model: "stand-in/hills", logs: "", output: null, error: null, completed_at: null, ...fields,
    });
  const picture = `${SERVER}/stand-in/${id}.png`;
  await report("starting");
  for (let step = 1; step <= STEPS; step++) {
    await setTimeout(MILLISECONDS);
    if (step % 5 > 0) continue;
    const logs = `${Math.floor((step * 100) / STEPS)}%|${"#".repeat(step)} | ${step}/${STEPS}\n`;
    await report("processing", { logs, output: [`${picture}?size=${4 + step}`] }); // a preview has few pixels
  }
  const completed_at = new Date().toISOString();
  if (prompt.includes("fail")) await report("failed", { completed_at, error: "CUDA out of memory" });
  else if (prompt.includes("nsfw")) await report("failed", { completed_at, error: "NSFW content detected." });
  else await report("succeeded", { completed_at, output: [picture] });
}

type Color = [number, number, number];

/** Returns a PNG of hills at dusk. The same seed gives the same hills in every size. */
export function paint(seed: string, size: number): Buffer {
  const chance = random(seed);
  const hue = chance(0, 1);
  const glow = color(hue + 0.12, 0.9, 0.93);
  const sun = { x: chance(0.25, 0.75), y: chance(0.25, 0.45), size: 0.085 };
  const hills = [1, 2, 3, 4, 5].map((layer) => {
    const waves = [1, 2, 3, 4].map((n) => ({ n, often: chance(1, 3 + layer), from: chance(0, 7) }));
    const top = (x: number) =>
      waves.reduce((sum, { n, often, from }) => sum + (0.035 * Math.sin(often * x * 4 + from)) / n, 0.36 + 0.12 * layer);
    const tops = Array.from({ length: size }, (_, x) => top((x + 0.5) / size));
    return { tops, shade: color(hue + 0.16 - 0.05 * layer, 0.42, 0.62 - 0.105 * layer) };
  });
  const pixels = Buffer.alloc(size * (1 + 3 * size)); // each line begins with its filter, 0
  for (let row = 0; row < size; row++) {
    const y = (row + 0.5) / size;
    const sky = color(hue + 0.12 * y, 0.55, 0.3 + 0.48 * y);
    for (let column = 0; column < size; column++) {
      const hill = hills.findLast(({ tops }) => y > tops[column]!);
      const far = Math.hypot((column + 0.5) / size - sun.x, y - sun.y) / sun.size;
      pixels.set(hill?.shade ?? mix(sky, glow, far < 1 ? 1 : 0.55 / far ** 1.6), row * (1 + 3 * size) + 1 + 3 * column);
    }
  }
  return png(size, pixels);
}

function png(size: number, pixels: Buffer): Buffer {
  const header = Buffer.from([0, 0, size >> 8, size & 255, 0, 0, size >> 8, size & 255, 8, 2, 0, 0, 0]);
  const chunk = (kind: string, data: Buffer) => {
    const content = Buffer.concat([Buffer.from(kind), data]);
    const around = Buffer.alloc(8);
    around.writeUInt32BE(data.length, 0);
    around.writeUInt32BE(crc32(content), 4);
    return [around.subarray(0, 4), content, around.subarray(4)];
  };
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    ...chunk("IHDR", header),
    ...chunk("IDAT", deflateSync(pixels)),
    ...chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Returns a generator of numbers in a range; the same seed gives the same numbers. */
function random(seed: string): (from: number, to: number) => number {
  let state = crc32(seed);
  return (from, to) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return from + ((to - from) * state) / 2 ** 32;
  };
}

function mix(from: Color, to: Color, share: number): Color {
  return [0, 1, 2].map((n) => from[n]! + (to[n]! - from[n]!) * share) as Color;
}

/** Converts hue, saturation and lightness to bytes of red, green and blue. */
function color(hue: number, saturation: number, lightness: number): Color {
  return [0, 8, 4].map((n) => {
    const k = (n + 12 * hue) % 12;
    return 255 * (lightness - saturation * Math.min(lightness, 1 - lightness) * Math.max(-1, Math.min(k - 3, 9 - k, 1)));
  }) as Color;
}
