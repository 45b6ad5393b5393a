// An application around the module of the page. The header x-user stands for a login.
import "reflect-metadata";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { GenerationsModule } from "./generations/generations.module.js";

interface Request {
  headers: Record<string, string | undefined>;
  user?: { id: string };
}

@Module({ imports: [GenerationsModule] })
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ["error"] });
app.enableShutdownHooks();
app.use((request: Request, _: unknown, next: () => void) => {
  const user = request.headers["x-user"];
  if (user) request.user = { id: user };
  next();
});
await app.listen(0, "127.0.0.1");
console.log(await app.getUrl());
