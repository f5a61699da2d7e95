import type { AddressInfo } from 'node:net';
import { Controller, Get, Header, Headers, Inject } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Public } from 'nestjs-latchkey';
import { SAMPLE_CONFIG, type SampleConfig } from '../config/sample-config.js';
import { originOf } from '../http/origin.js';
import { commandsPage } from './commands-page.js';
import { PageHeaders } from './page-headers.js';

/** The same as the front page shows, without a browser. */
@Controller('commands')
export class CommandsController {
  constructor(
    private readonly adapter: HttpAdapterHost,
    @Inject(SAMPLE_CONFIG) private readonly config: SampleConfig,
  ) {}

  @Public()
  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @PageHeaders()
  commands(@Headers('host') host: string | undefined): string {
    return commandsPage(this.origin(host), this.config.tokens.mode, this.config.transport.kind);
  }

  /** As the browser reached us, where that is nothing but a name and a port; it becomes a part of commands. */
  private origin(host: string | undefined): string {
    if (host !== undefined && /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,45}\])(?::\d{1,5})?$/.test(host)) {
      return `http://${host}`;
    }
    const server = this.adapter.httpAdapter.getHttpServer() as { address(): AddressInfo };
    return originOf(server.address());
  }
}
