export interface UnreadableAnswer {
  readonly statusCode: number;
  readonly error: string;
  readonly message: string;
  readonly errorCode: 'ARGUMENT_INVALID';
}

const TEXTS: Readonly<Record<number, readonly [error: string, message: string]>> = {
  400: ['Bad Request', 'The request cannot be read: its body is not valid JSON, or its path is not valid.'],
  413: ['Payload Too Large', 'The body of the request is too large.'],
  415: ['Unsupported Media Type', 'The body of the request is in an encoding that is not supported.'],
};

/**
 * The answer to a request that the HTTP framework cannot read, or undefined for another status. What Express and Fastify
 * say themselves differs, and may quote from the request; here it is one text, with the error code of every other thing
 * that is wrong with a request.
 */
export function unreadableAnswer(statusCode: number): UnreadableAnswer | undefined {
  const texts = TEXTS[statusCode];
  return texts && { statusCode, error: texts[0], message: texts[1], errorCode: 'ARGUMENT_INVALID' };
}
