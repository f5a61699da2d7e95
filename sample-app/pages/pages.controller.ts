import { Controller, Get, Headers, NotFoundException, Param, Res } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Public } from 'nestjs-latchkey';
import { PageHeaders } from './page-headers.js';
import { type PublicFile, clientFiles, ownFiles } from './public-files.js';

/** What browsers are given: two pages, their scripts and styles, and the browser client of the library. */
@Public()
@Controller()
export class PagesController {
  private readonly own = ownFiles();
  private readonly client = clientFiles();

  constructor(private readonly host: HttpAdapterHost) {}

  @Get()
  @PageHeaders()
  home(@Headers('if-none-match') known: string | undefined, @Res({ passthrough: true }) response: unknown) {
    return this.send(this.own.get('index.html'), known, response);
  }

  @Get('devices')
  @PageHeaders()
  devices(@Headers('if-none-match') known: string | undefined, @Res({ passthrough: true }) response: unknown) {
    return this.send(this.own.get('devices.html'), known, response);
  }

  @Get('assets/:name')
  @PageHeaders()
  asset(
    @Param('name') name: string,
    @Headers('if-none-match') known: string | undefined,
    @Res({ passthrough: true }) response: unknown,
  ) {
    return this.send(name.endsWith('.html') ? undefined : this.own.get(name), known, response);
  }

  @Get('client/:name')
  @PageHeaders()
  clientFile(
    @Param('name') name: string,
    @Headers('if-none-match') known: string | undefined,
    @Res({ passthrough: true }) response: unknown,
  ) {
    return this.send(this.client.get(name), known, response);
  }

  /** @param known what the browser has already @throws NotFoundException */
  private send(file: PublicFile | undefined, known: string | undefined, response: unknown): string | undefined {
    if (!file) throw new NotFoundException();
    const { httpAdapter } = this.host;
    httpAdapter.setHeader(response, 'ETag', file.etag);
    if (known?.split(/, */).includes(file.etag)) {
      httpAdapter.status(response, 304);
      return undefined;
    }
    httpAdapter.setHeader(response, 'Content-Type', file.type);
    return file.text;
  }
}
