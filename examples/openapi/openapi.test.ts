import { describe, expect, it } from '@jest/globals';
import { Controller, Delete, Get, type INestApplication, Module, Post, type Type, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ApiBearerAuth,
  ApiForbiddenResponse,
  ApiUnauthorizedResponse,
  DocumentBuilder,
  type OpenAPIObject,
  SwaggerModule,
} from '@nestjs/swagger';
import {
  AllowCrossSite,
  AuthGuard,
  OptionalAuth,
  RequireFresh,
  SessionModule,
  bearer,
  cookies,
  documentSessions,
} from 'nestjs-latchkey';
import { sqliteOptions } from '../../test/support/databases.js';
import { SECRET } from '../../test/support/sessions.js';
import { ShopModule } from './shop.js';

interface Operation {
  readonly security?: readonly object[];
  readonly responses: Readonly<Record<string, { readonly content?: Record<string, { readonly schema: Schema }> }>>;
  readonly parameters?: readonly { readonly name: string }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: { readonly properties: object } }> };
}

interface Schema {
  readonly properties?: { readonly errorCode?: { readonly enum: readonly string[] } };
}

async function documentOf(
  type: Type,
  document: (app: INestApplication) => ReturnType<typeof documentSessions> = documentSessions,
): Promise<{ readonly document: OpenAPIObject; readonly operations: Readonly<Record<string, Operation>> }> {
  const app = await NestFactory.create(type, { logger: false, abortOnError: false });
  try {
    const builder = new DocumentBuilder();
    for (const [name, scheme] of Object.entries(document(app))) builder.addSecurity(name, scheme);
    const made = SwaggerModule.createDocument(app, builder.build());
    const operations = Object.entries(made.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, one]) => [`${method.toUpperCase()} ${path}`, one as Operation] as const),
    );
    return { document: made, operations: Object.fromEntries(operations) };
  } finally {
    await app.close();
  }
}

/** Codes by status; for an answer without any, its status alone. */
function codesOf({ responses }: Operation): Readonly<Record<string, readonly string[] | null>> {
  return Object.fromEntries(
    Object.entries(responses).map(([status, { content }]) => {
      return [status, content?.['application/json']?.schema.properties?.errorCode?.enum ?? null];
    }),
  );
}

const ENDED = [
  'TOKEN_INVALID',
  'SESSION_LOGGED_OUT',
  'SESSION_REPLACED',
  'SESSION_KICKED',
  'SESSION_REVOKED',
  'SESSION_EXPIRED',
  'TOKEN_EXPIRED',
  'SESSION_IDLE',
  'ACCOUNT_DISABLED',
  'REFRESH_REUSED',
];
const GUARDED = {
  400: ['TOKEN_MALFORMED'],
  401: ['TOKEN_MISSING', ...ENDED],
  503: ['SESSION_STORE_UNAVAILABLE'],
};
const CROSS_SITE = ['CROSS_SITE_REQUEST'];
const BOTH = [{ bearer: [] }, { cookie: [] }];

describe('the document of the example', () => {
  it('has the security and refusals of each route, and no route of this library', async () => {
    const { document, operations } = await documentOf(ShopModule);
    expect(document.components!.securitySchemes).toEqual({
      bearer: { type: 'http', scheme: 'bearer' },
      cookie: { type: 'apiKey', in: 'cookie', name: '__Host-session' },
    });
    const told = Object.entries(operations).map(([route, one]) => [route, { ...codesOf(one), security: one.security }]);
    expect(Object.fromEntries(told)).toEqual({
      'POST /login': {
        201: null,
        403: CROSS_SITE,
        409: ['SESSION_LIMIT_REACHED'],
        503: GUARDED[503],
        security: undefined,
      },
      'GET /prices': { 200: null, security: undefined },
      'GET /home': { 200: null, 400: GUARDED[400], 401: ENDED, 503: GUARDED[503], security: [{}, ...BOTH] },
      'GET /orders': { 200: null, ...GUARDED, security: BOTH },
      'POST /orders': {
        201: null,
        ...GUARDED,
        403: ['SERVICE_BANNED', 'FRESH_LOGIN_REQUIRED', ...CROSS_SITE],
        security: BOTH,
      },
      'GET /reports': { 200: null, ...GUARDED, 403: ['FORBIDDEN'], security: BOTH },
    });
    expect(operations['GET /orders']!.responses['200']!.content!['application/json']!.schema).toEqual({
      type: 'array',
      items: { $ref: '#/components/schemas/Order' },
    });
    expect(operations['GET /orders']!.responses['401']).toMatchObject({
      description: 'Unauthorized',
      headers: { 'WWW-Authenticate': { schema: { type: 'string' } } },
    });
  });
});

@Controller()
class MixedController {
  @UseGuards(AuthGuard)
  @ApiBearerAuth('mine')
  @ApiForbiddenResponse({ description: 'my own words' })
  @Delete('described')
  described() {}

  @Get('open')
  open() {}

  @OptionalAuth({ ignoreInvalid: true })
  @Get('lenient')
  lenient() {}

  @UseGuards(AuthGuard)
  @AllowCrossSite()
  @Post('anywhere')
  anywhere() {}

  static _OPENAPI_METADATA_FACTORY() {
    return { anywhere: { status: 202, type: [String] } };
  }
}

@UseGuards(AuthGuard)
@ApiBearerAuth('theirs')
@ApiUnauthorizedResponse({ description: 'for all' })
@Controller('all')
class AllController {
  @Get()
  all() {}
}

const moduleWith = (transport: ReturnType<typeof bearer>): Type => {
  @Module({
    imports: [SessionModule.forRoot({ secret: SECRET, database: sqliteOptions(':memory:'), transport })],
    controllers: [MixedController, AllController],
  })
  class Mixed {}
  return Mixed;
};

describe('documentSessions', () => {
  it('leaves what is there, for one call or several', async () => {
    const { operations } = await documentOf(moduleWith(cookies()), (app) => {
      documentSessions(app);
      return documentSessions(app);
    });
    const security = Object.fromEntries(Object.entries(operations).map(([route, one]) => [route, one.security]));
    expect(security).toEqual({
      'DELETE /described': [{ mine: [] }],
      'GET /open': undefined,
      'GET /lenient': [{}, { cookie: [] }],
      'POST /anywhere': [{ cookie: [] }],
      'GET /all': [{ theirs: [] }],
    });
    const described = operations['DELETE /described']!.responses;
    expect(described['403']).toMatchObject({ description: 'my own words' });
    expect(Object.keys(described).sort()).toEqual(['400', '401', '403', '503']);
    expect(codesOf(operations['GET /open']!)).toEqual({ 200: null });
    expect(codesOf(operations['GET /lenient']!)).toEqual({ 200: null, 503: GUARDED[503] });
    expect(codesOf(operations['POST /anywhere']!)).toEqual({ 202: null, ...GUARDED });
    expect(operations['POST /anywhere']!.responses['202']!.content!['application/json']!.schema).toEqual({
      type: 'array',
      items: { type: 'string' },
    });
  });

  it('has a step-up under the status that answers it', async () => {
    @UseGuards(AuthGuard)
    @Controller()
    class FreshController {
      @RequireFresh('10m', { amr: ['mfa'] })
      @Get('fresh')
      fresh() {}
    }
    const session = { secret: SECRET, database: sqliteOptions(':memory:'), stepUp: { status: 401 } } as const;
    @Module({ imports: [SessionModule.forRoot(session)], controllers: [FreshController] })
    class Fresh {}
    const { operations } = await documentOf(Fresh);
    expect(codesOf(operations['GET /fresh']!)).toEqual({
      200: null,
      ...GUARDED,
      401: [...GUARDED[401], 'FRESH_LOGIN_REQUIRED'],
    });
  });

  it('documents the ready-made routes if asked to, with schemas', async () => {
    const { operations } = await documentOf(ShopModule, (app) => documentSessions(app, { sessionRoutes: true }));
    const own = Object.entries(operations).filter(([route]) => route.includes('/auth/'));
    const told = own.map(([route, one]) => [route, Object.keys(one.responses).join(' ')]);
    expect(Object.fromEntries(told)).toMatchObject({
      'POST /auth/refresh': '200 400 401 403 429 503',
      'POST /auth/logout': '204 400 403 503',
      'GET /auth/sessions': '200 400 401 503',
      'DELETE /auth/sessions/{id}': '204 400 401 403 404 503',
      'POST /auth/logout-others': '200 400 401 403 503',
      'POST /auth/reauthenticate': '204 400 401 403 503',
      'GET /auth/verify': '200 401 403 503',
    });
    expect(operations['POST /auth/reauthenticate']!.requestBody).toEqual({
      required: true,
      content: {
        'application/json': {
          schema: { type: 'object', properties: { password: { type: 'string' } }, required: ['password'] },
        },
      },
    });
    expect(operations['GET /auth/sessions']!.responses['200']!.content!['application/json']!.schema).toMatchObject({
      properties: { items: { items: { properties: { current: { type: 'boolean' } } } } },
    });
    expect(Object.keys(operations).filter((route) => /admin|online|kick/.test(route))).toEqual([]);
  });

  it('documents the routes of operators if asked to: what their parsers read, and what they answer', async () => {
    const { operations } = await documentOf(ShopModule, (app) => documentSessions(app, { adminRoutes: true }));
    const own = Object.entries(operations).filter(([route]) => route.includes(' /admin'));
    const told = own.map(([route, { parameters = [], requestBody, responses, security }]) => {
      expect(security).toEqual(BOTH);
      const body = requestBody?.content['application/json']!.schema.properties ?? {};
      return [
        route,
        [...parameters.map(({ name }) => name), ...Object.keys(body), ...Object.keys(responses)].join(' '),
      ];
    });
    const live = 'q userId ip deviceType loginMethod createdFrom createdTo seenFrom seenTo';
    const [read, change] = ['200 400 401 403 503', '200 202 400 401 403 503'];
    expect(Object.fromEntries(told)).toEqual({
      'GET /admin/operator': read,
      'GET /admin/online-users': `groupBy limit cursor ${live} sort ${read}`,
      'GET /admin/online-users/export': `${live} format ${read}`,
      'GET /admin/ended-sessions': `limit cursor userId reason endedFrom endedTo ${read}`,
      'GET /admin/users/{userId}': `userId ${read}`,
      'GET /admin/users/{userId}/sessions': `userId limit cursor ended ${read}`,
      'GET /admin/users/{userId}/bans': `userId ${read}`,
      'GET /admin/events': `limit cursor userId sessionId ip type from to ${read}`,
      'GET /admin/events/export': `userId sessionId ip type from to format ${read}`,
      'GET /admin/sightings': `limit cursor sessionId userId ip at from to ${read}`,
      'GET /admin/failed-logins': `hours by ${read}`,
      'GET /admin/stats': `range ${read}`,
      'GET /admin/live': read,
      'DELETE /admin/sessions/{id}': `id reason ${change}`,
      'DELETE /admin/users/{userId}/sessions': `userId reason ${change}`,
      'POST /admin/end-everything': `confirm reason ${change}`,
      'POST /admin/kick': `pace sessionIds filter reason dryRun ${change}`,
      'POST /admin/users/{userId}/ban': `userId until reason service level ${change}`,
      'DELETE /admin/users/{userId}/ban': `userId service ${change}`,
      'POST /admin/users/{userId}/impersonate': `userId reason for ${change}`,
    });
    expect(operations['GET /admin/ended-sessions']!.parameters).toMatchObject([
      { name: 'limit', in: 'query', required: false, schema: { type: 'integer' } },
      { name: 'cursor', schema: { type: 'string' } },
      { name: 'userId', schema: { type: 'string', maxLength: 1024 } },
      { name: 'reason', schema: { enum: ENDED.slice(1) } },
      { name: 'endedFrom', schema: { type: 'string', format: 'date-time' } },
      { name: 'endedTo' },
    ]);
    expect(codesOf(operations['POST /admin/kick']!)[403]).toEqual(['FORBIDDEN', 'FRESH_LOGIN_REQUIRED', ...CROSS_SITE]);
    expect(codesOf(operations['GET /admin/events']!)[400]).toContain('CURSOR_INVALID');
    expect(codesOf(operations['GET /admin/stats']!)[400]).toEqual(['ARGUMENT_INVALID', 'TOKEN_MALFORMED']);
    expect(
      operations['GET /admin/ended-sessions']!.responses['200']!.content!['application/json']!.schema,
    ).toMatchObject({
      properties: {
        items: {
          items: { properties: { userAgent: { nullable: true }, lastSeenAt: { format: 'date-time' }, endReason: {} } },
        },
      },
      required: ['items', 'nextCursor', 'prevCursor'],
    });
  });

  it('refuses unknown options', async () => {
    const document = (app: INestApplication) => documentSessions(app, { admin: true } as object);
    await expect(documentOf(ShopModule, document)).rejects.toThrow('documentSessions option "admin" is unknown');
  });
});
