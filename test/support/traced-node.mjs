// An application under automatic instrumentation of OpenTelemetry: a process of its own, since what is instrumented is the driver as it
// is loaded. Told its settings by its parent, it starts, and answers with the names of spans.
import { trace } from '@opentelemetry/api';
import { IORedisInstrumentation } from '@opentelemetry/instrumentation-ioredis';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { createRequire } from 'node:module';
import 'reflect-metadata';

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
const instrumentations = [new PgInstrumentation(), new IORedisInstrumentation({ requireParentSpan: false })];
const require = createRequire(import.meta.url);
for (const driver of ['pg', 'ioredis']) require(driver);

const { NestFactory } = await import('@nestjs/core');
const { SessionModule, TokenService } = await import('nestjs-latchkey');
const { redis } = await import('nestjs-latchkey/redis');

function takeSpans() {
  const spans = exporter
    .getFinishedSpans()
    .map(({ name, parentSpanContext }) => ({ name, isRoot: !parentSpanContext }));
  exporter.reset();
  return spans;
}

let context;
const requests = {
  async start({ redisUrl, ...options }) {
    const session = SessionModule.forRoot({ ...options, redis: redis(redisUrl) });
    context = await NestFactory.createApplicationContext(session, { logger: ['error'] });
    return instrumentations.length;
  },
  spans: takeSpans,
  request: () =>
    trace.getTracer('test').startActiveSpan('request', async (span) => {
      await context.get(TokenService, { strict: false }).login('alice');
      span.end();
      return takeSpans();
    }),
  close: () => context.close(),
};

process.on('message', async ({ name, argument }) => {
  process.send({ value: await requests[name](argument) });
});
