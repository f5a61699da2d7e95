import { NestFactory } from '@nestjs/core';
import { type MicroserviceOptions, Transport } from '@nestjs/microservices';
import { AccountsModule } from './accounts.js';

const app = await NestFactory.create(AccountsModule, { logger: ['error', 'warn'] });
const tcp = { host: '127.0.0.1', port: Number(process.env.TCP_PORT ?? 3001) };
app.connectMicroservice<MicroserviceOptions>({ transport: Transport.TCP, options: tcp }, { inheritAppConfig: true });
await app.startAllMicroservices();
await app.enableShutdownHooks().listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
console.log(`messages over TCP at ${tcp.host}:${tcp.port}`);
console.log(`listening on ${await app.getUrl()}`);
