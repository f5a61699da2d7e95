import { type ArgumentsHost, Catch, HttpException } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { unreadableAnswer } from './unreadable-request.js';

/** The application's own errors have an error code; those without one come from the framework. */
@Catch(HttpException)
export class UnreadableRequestFilter extends BaseExceptionFilter {
  override catch(exception: HttpException, host: ArgumentsHost): void {
    const answer = exception.errorCode === undefined ? unreadableAnswer(exception.getStatus()) : undefined;
    super.catch(answer ? new HttpException(answer, answer.statusCode) : exception, host);
  }
}
