// The AWS SDK v3 for Node.js: `node posts.mjs URL CONNECTIONS POSTS` prints the cost as JSON.
import {
  ApiGatewayManagementApiClient,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";

const [url, connections, posts] = [process.argv[2], +process.argv[3], +process.argv[4]];
const data = Buffer.from(process.env.BENCH_FRAME);
const agent = { keepAlive: true, maxSockets: connections };
const client = new ApiGatewayManagementApiClient({
  endpoint: url,
  requestHandler: { httpAgent: new HttpAgent(agent), httpsAgent: new HttpsAgent(agent) },
});
const statuses = {};

async function post(count) {
  let next = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (next < count) {
        const id = `L0SM9cOF${String(next++ % 10_000_000).padStart(7, "0")}=`;
        let status;
        try {
          const command = new PostToConnectionCommand({ ConnectionId: id, Data: data });
          status = (await client.send(command)).$metadata.httpStatusCode;
        } catch (error) {
          status = error.$metadata?.httpStatusCode ?? 0;
        }
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    }),
  );
}

await post(2 * connections);
for (const status in statuses) delete statuses[status];
const cpu = process.cpuUsage();
const began = process.hrtime.bigint();
await post(posts);
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
const used = process.cpuUsage(cpu);
console.log(
  JSON.stringify({
    posts,
    seconds,
    cpu_us: (used.user + used.system) / posts,
    memory_mb: process.resourceUsage().maxRSS / 1024,
    statuses,
  }),
);
process.exit(0);
