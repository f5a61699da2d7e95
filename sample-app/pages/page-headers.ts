import { applyDecorators, Header } from '@nestjs/common';

/** Scripts and styles come from this server alone, and none stands in a page itself. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** The headers of everything that a browser shows or runs. */
export const PageHeaders = () =>
  applyDecorators(
    Header('Content-Security-Policy', CONTENT_SECURITY_POLICY),
    Header('X-Content-Type-Options', 'nosniff'),
    Header('Referrer-Policy', 'no-referrer'),
    Header('Cross-Origin-Resource-Policy', 'same-origin'),
    // It may be kept, and must be asked for each time: after an upgrade no page runs the scripts of the version before.
    Header('Cache-Control', 'no-cache'),
  );
