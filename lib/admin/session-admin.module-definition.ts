import { ConfigurableModuleBuilder, type DynamicModule } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { type SessionAdminExtras, type SessionAdminOptions, checkPath } from './access/admin-options.js';

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<SessionAdminOptions>({
    moduleName: 'SessionAdmin',
  })
    .setClassMethodName('forRoot')
    .setExtras<SessionAdminExtras & Pick<DynamicModule, 'imports'>>(
      { path: 'admin', imports: [] },
      (definition, { path, imports = [] }) => ({
        ...definition,
        imports: [
          ...(definition.imports ?? []),
          ...imports,
          RouterModule.register([{ path: checkPath(path), module: definition.module }]),
        ],
      }),
    )
    .build();
