/** The part of @types/jsonwebtoken that docs/from-passport-jwt.md uses: it is not installed here. */
declare module 'jsonwebtoken' {
  export interface JwtPayload {
    readonly sub?: string;
    readonly iat?: number;
  }
  const jsonwebtoken: {
    verify(token: string, secret: string, options: { readonly algorithms: readonly string[] }): JwtPayload | string;
    sign(payload: object, secret: string, options?: { readonly subject?: string; readonly expiresIn?: string }): string;
  };
  namespace jsonwebtoken {
    export type { JwtPayload };
  }
  export default jsonwebtoken;
}

declare module 'express-session' {
  import type { RequestHandler } from 'express';
  const session: (options: {
    readonly secret: string;
    readonly resave: boolean;
    readonly saveUninitialized: boolean;
  }) => RequestHandler;
  export default session;
}
