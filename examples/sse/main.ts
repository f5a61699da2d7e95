import { NestFactory } from '@nestjs/core';
import { FeedModule } from './feed.js';

const app = await NestFactory.create(FeedModule, { logger: ['error', 'warn'] });
await app.enableShutdownHooks().listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
console.log(`listening on ${await app.getUrl()}`);
