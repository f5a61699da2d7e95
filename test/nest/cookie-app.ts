import { Body, Controller, Get, Header, HttpCode, Post, Res, UseGuards } from '@nestjs/common';
import {
  AllowCrossSite,
  AuthGuard,
  CurrentUser,
  LoginDetails,
  PresentedRefreshToken,
  PresentedToken,
  Public,
  SessionAnswer,
  SessionCookies,
  type SessionLife,
  SessionModule,
  type SessionModuleOptions,
  TokenService,
  accessAndRefresh,
  multiDevice,
} from 'nestjs-latchkey';
import {
  type AdapterKind,
  type HttpApp,
  type RawAnswer,
  type StartOptions,
  json,
  sessionOptions,
  startApp,
} from './http-app.js';

interface LoginBody {
  readonly user: string;
  readonly persistent?: boolean;
  readonly life?: SessionLife;
}

/** Login routes as an application writes them, and some with mistakes. */
@Controller()
@UseGuards(AuthGuard)
export class CookieRoutes {
  /** Called when a slow answer has begun; resolves when it may go on. */
  static slow: () => Promise<unknown> = () => Promise.resolve();

  constructor(
    private readonly tokens: TokenService,
    private readonly cookies: SessionCookies,
  ) {}

  @Get('me')
  me(@CurrentUser('userId') userId: string) {
    return { userId };
  }

  @Get('public-cache')
  @Header('Cache-Control', 'public, max-age=60, s-maxage=600')
  @Header('Vary', 'Accept')
  @Header('Set-Cookie', 'theme=dark')
  cached() {
    return {};
  }

  @Get('slow')
  async slow() {
    await CookieRoutes.slow();
    return {};
  }

  @Post('act')
  act(@CurrentUser('userId') userId: string) {
    return { userId };
  }

  @AllowCrossSite()
  @Post('anywhere')
  anywhere() {
    return {};
  }

  @Public()
  @SessionAnswer()
  @Post('login')
  async login(@Body() { user, persistent, life }: LoginBody, @LoginDetails() from: LoginDetails) {
    return this.tokens.login(user, { ...from, persistent, life });
  }

  @Public()
  @AllowCrossSite()
  @SessionAnswer()
  @Post('saml')
  saml() {
    return this.tokens.login('saml');
  }

  @Public()
  @SessionAnswer()
  @HttpCode(200)
  @Post('auth/refresh')
  refresh(@PresentedRefreshToken() token: unknown) {
    return this.tokens.refresh(token);
  }

  @Public()
  @SessionAnswer()
  @HttpCode(204)
  @Post('logout')
  logout(@PresentedToken() token: string | null) {
    return this.tokens.logout(token);
  }

  @Public()
  @SessionAnswer()
  @Post('login-by-hand')
  async byHand(@Body() { user }: LoginBody, @Res({ passthrough: true }) response: object) {
    this.cookies.write(response, await this.tokens.login(user));
  }

  @Public()
  @Post('unchecked')
  async unchecked(@Body() { user }: LoginBody, @Res({ passthrough: true }) response: object) {
    this.cookies.write(response, await this.tokens.login(user));
  }

  @Public()
  @SessionAnswer()
  @Post('copied')
  async copied(@Body() { user }: LoginBody) {
    return { ...(await this.tokens.login(user)) };
  }

  @Public()
  @Post('details-alone')
  detailsAlone(@LoginDetails() from: LoginDetails) {
    return from;
  }
}

/** Makes slow answers wait until they are released. `begun` resolves when one does. */
export function holdAnswers(): { readonly begun: Promise<void>; readonly release: () => void } {
  let [begin, release] = [() => undefined as void, () => undefined as void];
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  CookieRoutes.slow = () => {
    begin();
    return released;
  };
  return { begun, release };
}

/** Lines of a browser's request from a page of this origin over https, as a proxy passes it on. */
export const HTTPS = ['X-Forwarded-Proto: https'] as const;
export const SAME_ORIGIN = [...HTTPS, 'Sec-Fetch-Site: same-origin', 'Origin: https://localhost'] as const;

export function startCookieApp(
  kind: AdapterKind,
  options: Partial<SessionModuleOptions>,
  start: StartOptions = { trustProxy: true },
): Promise<HttpApp> {
  const module = { tokens: accessAndRefresh(), policy: multiDevice(), ...options };
  return startApp(
    kind,
    { imports: [SessionModule.forRoot({ ...sessionOptions(module), isGlobal: true })], controllers: [CookieRoutes] },
    start,
  );
}

/** Set-Cookie headers of an answer, by the name of their cookie. */
export function cookiesOf({
  headers,
}: RawAnswer): Record<string, { readonly value: string; readonly attributes: string }> {
  const lines = headers['set-cookie']?.split('\n') ?? [];
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value, attributes = ''] = /^([^=]+)=([^;]*)(?:; (.*))?$/.exec(line)!;
      return [name!, { value: value!, attributes }];
    }),
  );
}

/** The Cookie header with which a browser answers. */
export function cookieLine(answer: RawAnswer, path = '/'): string {
  const kept = Object.entries(cookiesOf(answer)).filter(
    ([, { value, attributes }]) => value !== '' && path.startsWith(/Path=([^;]*)/.exec(attributes)![1]!),
  );
  return `Cookie: ${kept.map(([name, { value }]) => `${name}=${value}`).join('; ')}`;
}

/** Logs in as a page of this origin does. */
export function logIn(app: HttpApp, body: LoginBody, lines: readonly string[] = SAME_ORIGIN): Promise<RawAnswer> {
  const request = json('/login', body);
  return app.send({ ...request, lines: [...request.lines, ...lines] });
}
