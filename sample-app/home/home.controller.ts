import type { AddressInfo } from 'node:net';
import { Controller, Get, Header, Headers, Inject } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Public } from 'nestjs-latchkey';
import { SAMPLE_CONFIG, type SampleConfig } from '../config/sample-config.js';
import { originOf } from '../http/origin.js';
import { homePage } from './home-page.js';

@Controller()
export class HomeController {
  constructor(
    private readonly adapter: HttpAdapterHost,
    @Inject(SAMPLE_CONFIG) private readonly config: SampleConfig,
  ) {}

  @Public()
  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', "default-src 'none'")
  @Header('X-Content-Type-Options', 'nosniff')
  home(@Headers('host') host: string | undefined): string {
    return homePage(this.origin(host), this.config.tokens.mode);
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
