import { HttpCode, Post } from '@nestjs/common';
import { CheckBan, CurrentUser } from 'nestjs-latchkey';
import { BodyInput, JsonRoutes, readBody } from '../http/input.js';

const MAX_COMMENT = 1000;

const readComment = (body: unknown): string => readBody(body, (input) => input.text('text', MAX_COMMENT));

/** A service that a user may be banned from alone: `POST /admin/users/:userId/ban` with `{ service: 'comment', level: 2 }`. */
@JsonRoutes('comments')
export class CommentsController {
  @CheckBan('comment', 2)
  @Post()
  @HttpCode(200)
  comment(@CurrentUser('userId') userId: string, @BodyInput(readComment) text: string) {
    return { userId, text };
  }
}
