import { NestFactory } from '@nestjs/core';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { documentSessions } from 'nestjs-latchkey';
import { ShopModule } from './shop.js';

const app = await NestFactory.create(ShopModule, { logger: ['error', 'warn'] });
const builder = new DocumentBuilder().setTitle('Shop');
for (const [name, scheme] of Object.entries(documentSessions(app, { sessionRoutes: true }))) {
  builder.addSecurity(name, scheme);
}
SwaggerModule.setup('docs', app, SwaggerModule.createDocument(app, builder.build()));
await app.enableShutdownHooks().listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
console.log(`listening on ${await app.getUrl()}`);
