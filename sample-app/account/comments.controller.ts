import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { CheckBan, CurrentUser } from 'nestjs-latchkey';
import { Input } from '../http/input.js';

const MAX_COMMENT = 1000;

/** A service that a user may be banned from alone: `POST /admin/users/:userId/ban` with `{ service: 'comment', level: 2 }`. */
@Controller('comments')
export class CommentsController {
  @CheckBan('comment', 2)
  @Post()
  @HttpCode(200)
  comment(@CurrentUser('userId') userId: string, @Body() body: unknown) {
    return { userId, text: new Input(body).text('text', MAX_COMMENT) };
  }
}
