import { NestFactory } from '@nestjs/core';
import { SessionWsAdapter } from 'nestjs-latchkey/websockets';
import { ChatModule } from './chat.js';

const app = await NestFactory.create(ChatModule, { logger: ['error', 'warn'] });
app.useWebSocketAdapter(new SessionWsAdapter(app));
await app.enableShutdownHooks().listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
console.log(`listening on ${await app.getUrl()}`);
